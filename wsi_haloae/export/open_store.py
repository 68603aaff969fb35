"""OpenStore: a score store and the values derived from it, shared by all format writers (see `formats`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.selection import USUAL, Criterion
from wsi_haloae.heatmap.assembly import Heatmap, assemble_heatmap
from wsi_haloae.heatmap.cells import CellEdges
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.heatmap.regions import Region, find_regions
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles


@dataclass(frozen=True)
class ExportSettings:
    """Choices about the files. ``min_score``, ``merge`` and ``gz`` affect tiles.geojson only."""

    criterion: Criterion = USUAL
    min_score: float | None = None
    merge: bool = False
    gz: bool = False


STANDARD = ExportSettings()
"""The settings that ``score`` uses."""


class OpenStore:
    """A score store and what several writers need from it. Each value is read once, on first use.

    Raises `StoreError` if the store's display range is invalid.
    """

    def __init__(self, store: ScoreStore, settings: ExportSettings = STANDARD) -> None:
        self.store, self.settings, self.header = store, settings, store.shown
        self.scale = ColourScale(*store.shown.model.display_range)

    @cached_property
    def tiles(self) -> ScoredTiles:
        """The tiles, called anomalous by the chosen criterion."""
        return ScoredTiles.read(self.store, self.settings.criterion)

    @cached_property
    def heatmap(self) -> Heatmap:
        """The scores on the grid."""
        return assemble_heatmap(self.store)

    @cached_property
    def regions(self) -> list[Region]:
        """The regions of the tiles that are called anomalous; empty if no tile can be called."""
        if self.tiles.selection is None:
            return []
        chosen = np.zeros(self.heatmap.values.shape, np.bool_)
        index, called = self.tiles.index, self.tiles.selection.chosen
        chosen[index.row[called], index.column[called]] = True
        return find_regions(self.heatmap, chosen, CellEdges.of(self.heatmap, self.header.slide))

    @cached_property
    def thumbnail(self) -> NDArray[np.uint8]:
        """A small picture of the slide, (h, w, 3)."""
        return self.store.thumbnail()
