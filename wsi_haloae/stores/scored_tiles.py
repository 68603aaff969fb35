"""The tiles of a score store: the state of each, its scores, and whether it is called anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.flags import FLAGS, known_bits
from wsi_haloae.calibration.reach import why_none
from wsi_haloae.calibration.selection import USUAL, Criterion, Selection
from wsi_haloae.stores.adaptation import AdaptedRecord
from wsi_haloae.stores.score_header import ScoreHeader
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileIndex, TileState

STATE_WORDS = {
    TileState.PENDING: "pending",
    TileState.DONE: "scored",
    TileState.UNREADABLE: "unreadable",
}
"""The state of a tile, as the outputs call it."""


@dataclass(frozen=True, eq=False)
class ScoredTiles:
    """n tiles in reading order; scores are NaN unless the tile's state is done.

    A run that was killed between writing a shard's scores and its states leaves scores that do
    not count yet. They are NaN here too.
    """

    header: ScoreHeader
    index: TileIndex
    state: NDArray[np.uint8]  # (n,), values of TileState
    score: NDArray[np.float32]  # (n,)
    score_paper: NDArray[np.float32]  # (n,)
    p_value: NDArray[np.float32]  # (n,)
    flags: NDArray[np.uint8]  # (n,), bits of `artefacts.flags.FLAGS`
    criterion: Criterion
    adapted: AdaptedRecord | None = None

    @classmethod
    def read(cls, store: ScoreStore, criterion: Criterion = USUAL) -> Self:
        """Read the tiles of a store; ``criterion`` decides which are called anomalous."""
        state = store.states()
        done = state == TileState.DONE
        score, score_paper, p_value = (
            np.where(done, store.read(name), np.float32(np.nan)) for name in ("score", "score_paper", "p_value")
        )
        flags = np.where(done, store.read("flags") & known_bits(), 0).astype(np.uint8)
        adapted = None if store.adapted is None else store.adapted.record
        return cls(store.shown, store.index, state, score, score_paper, p_value, flags, criterion, adapted)

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def selection(self) -> Selection | None:
        """The tiles that are called anomalous. None if no tile can be called; `why_none` says why."""
        return self.criterion.select(self.score, self.p_value, self.header.model.smallest_p)

    @property
    def called(self) -> int | None:
        """Number of tiles that are called anomalous. None, not 0, if no tile can be called."""
        return None if self.selection is None or not self.scored else int(self.selection.chosen.sum())

    @property
    def called_from(self) -> float | None:
        """The lowest score that is called anomalous. None if no tile is called."""
        return float(self.score[self.selection.chosen].min()) if self.selection and self.called else None

    @property
    def why_none(self) -> str | None:
        """Why no tile can be called at an error rate, as a sentence; None if tiles can be called."""
        return why_none(self.header.model.smallest_p)

    def flag_counts(self) -> dict[str, int]:
        """Number of tiles with each quality-control flag, by its name. A tile may have several flags."""
        return {name: int(((self.flags & flag.bit) > 0).sum()) for name, flag in FLAGS.items()}

    @property
    def scored(self) -> int:
        """Number of tiles with a score."""
        return len(self) - self.not_scored

    @property
    def not_scored(self) -> int:
        """Number of tiles that could not be read or are still pending."""
        return int((self.state != TileState.DONE).sum())
