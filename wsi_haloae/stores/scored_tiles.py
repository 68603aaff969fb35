"""The tiles of a score store: what became of each, its scores, and whether it is called anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.calibration.reach import why_none
from wsi_haloae.calibration.selection import USUAL, Criterion, Selection
from wsi_haloae.stores.score_store import ScoreHeader, ScoreStore
from wsi_haloae.stores.sharded import TileIndex, TileState

STATE_WORDS = {
    TileState.PENDING: "pending",
    TileState.DONE: "scored",
    TileState.UNREADABLE: "unreadable",
}
"""What became of a tile, as the outputs call it."""


@dataclass(frozen=True, eq=False)
class ScoredTiles:
    """n tiles in reading order; scores are NaN unless the tile's state is done.

    A store that was killed between a shard's payload and its states holds scores that do not
    count yet: they are NaN here too.
    """

    header: ScoreHeader
    index: TileIndex
    state: NDArray[np.uint8]  # (n,), values of TileState
    score: NDArray[np.float32]  # (n,)
    score_paper: NDArray[np.float32]  # (n,)
    p_value: NDArray[np.float32]  # (n,)
    flags: NDArray[np.uint8]  # (n,), bits of `artefacts.flags.FLAGS`
    criterion: Criterion

    @classmethod
    def read(cls, store: ScoreStore, criterion: Criterion = USUAL) -> Self:
        """The tiles of a store, to be called anomalous by ``criterion``."""
        state = store.states()
        done = state == TileState.DONE
        score, score_paper, p_value = (
            np.where(done, store.read(name), np.float32(np.nan)) for name in ("score", "score_paper", "p_value")
        )
        flags = np.where(done, store.read("flags"), 0).astype(np.uint8)
        return cls(store.header, store.index, state, score, score_paper, p_value, flags, criterion)

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def selection(self) -> Selection | None:
        """The tiles that are called anomalous, and how; None where none can be, and `why_none` says why."""
        return self.criterion.select(self.score, self.p_value, self.header.model.smallest_p)

    @property
    def called(self) -> int | None:
        """Number of tiles that are called anomalous; None where none can be, which is not 0."""
        return None if self.selection is None or not self.scored else int(self.selection.chosen.sum())

    @property
    def why_none(self) -> str | None:
        """Why no tile can be called at an error rate, in a sentence; None where one can."""
        return why_none(self.header.model.smallest_p)

    def flag_counts(self) -> dict[str, int]:
        """Tiles with each quality-control flag, by its name; a tile may have several."""
        return {name: int(((self.flags & flag.bit) > 0).sum()) for name, flag in FLAGS.items()}

    @property
    def scored(self) -> int:
        """Number of tiles with a score."""
        return len(self) - self.not_scored

    @property
    def not_scored(self) -> int:
        """Number of tiles that could not be read, or whose turn has not come."""
        return int((self.state != TileState.DONE).sum())
