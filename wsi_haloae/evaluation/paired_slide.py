"""One slide that was scored twice, by two models or with two settings, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.selection import Selection
from wsi_haloae.errors import UsageError
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_as import ScoredAs
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileIndex, TileState
from wsi_haloae.stores.store_header import GridRecord, StoreHeader

FINGERPRINT_SHOWN = 16


@dataclass(frozen=True, eq=False)
class PairedSlide:
    """The same tiles with the scores of both; ``both`` (n,) are those that have a score in each."""

    name: str
    first: ScoredTiles
    second: ScoredTiles
    stores: tuple[ScoreStore, ScoreStore]
    both: NDArray[np.bool_]

    @classmethod
    def of(cls, name: str, first: ScoreStore, second: ScoreStore) -> Self:
        """Pair two stores. Raises `UsageError` if their slides, grids or tiles differ."""
        require_same_tiles(first, second)
        one, other = ScoredTiles.read(first), ScoredTiles.read(second)
        done = (one.state == TileState.DONE) & (other.state == TileState.DONE)
        return cls(name, one, other, (first, second), done)

    @property
    def ways(self) -> tuple[ScoredAs, ScoredAs]:
        """How each of them was scored."""
        first, second = (ScoredAs.of(store.header, store.radius) for store in self.stores)
        return first, second

    @property
    def scores(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The scores of the tiles in ``both``, (k,) each."""
        return self.first.score[self.both], self.second.score[self.both]

    @property
    def selections(self) -> tuple[Selection, Selection] | None:
        """What each of them calls; None if one of them cannot call any tile."""
        one, other = self.first.selection, self.second.selection
        return None if one is None or other is None else (one, other)

    @property
    def calls(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
        """Whether each of them calls the tiles in ``both``, (k,) each; None if one of them cannot call any tile."""
        chosen = self.selections
        return None if chosen is None else (chosen[0].chosen[self.both], chosen[1].chosen[self.both])


def require_same_tiles(first: ScoreStore, second: ScoreStore) -> None:
    """Raise `UsageError`, naming what differs, unless both have the same tiles of the same slide."""
    one, other = first.header, second.header
    if one.slide.fingerprint != other.slide.fingerprint:
        raise UsageError(
            f"two different slides have this name: {_slide(one)} first, {_slide(other)} second. Tiles are compared one "
            "by one, so both must be of one file."
        )
    if one.grid != other.grid:
        raise UsageError(
            f"its tiles lie on two grids: {_grid(one.grid, one)} first, {_grid(other.grid, other)} second. Tiles are "
            "compared one by one; score with models of one tile size and pixel size, and with one --stride."
        )
    if not _equal(first.index, second.index):
        common = len(_places(first.index) & _places(second.index))
        raise UsageError(
            f"{len(first):,} tiles were chosen first and {len(second):,} second, {common:,} of them the same. Score "
            "both with the same --tissue, --set tissue..., --roi and --coordinates."
        )


def _slide(header: StoreHeader) -> str:
    return f"{header.slide.name} (fingerprint {header.slide.fingerprint[:FINGERPRINT_SHOWN]})"


def _grid(grid: GridRecord, header: StoreHeader) -> str:
    mpp = header.slide.mpp_x * grid.l0_scale_x
    return f"tiles of {grid.tile_size} px at {mpp:.4g} µm/px, stride {grid.stride},"


def _equal(one: TileIndex, other: TileIndex) -> bool:
    return np.array_equal(one.row, other.row) and np.array_equal(one.column, other.column)


def _places(index: TileIndex) -> set[tuple[int, int]]:
    return set(zip(index.row.tolist(), index.column.tolist(), strict=True))
