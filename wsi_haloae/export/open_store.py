"""OpenStore: a score store and what is read or worked out from it, for all that write a format (see `formats`)."""

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
    """What may be chosen about the files. ``min_score``, ``merge`` and ``gz`` are about tiles.geojson alone."""

    criterion: Criterion = USUAL
    min_score: float | None = None
    merge: bool = False
    gz: bool = False


STANDARD = ExportSettings()
"""What ``score`` writes."""


class OpenStore:
    """A score store and what several writers need of it, each read once and only if it is asked for.

    `StoreError` if the store's display range is no range.
    """

    def __init__(self, store: ScoreStore, settings: ExportSettings = STANDARD) -> None:
        self.store, self.settings, self.header = store, settings, store.header
        self.scale = ColourScale(*store.header.model.display_range)

    @cached_property
    def tiles(self) -> ScoredTiles:
        """The tiles, called by the chosen criterion."""
        return ScoredTiles.read(self.store, self.settings.criterion)

    @cached_property
    def heatmap(self) -> Heatmap:
        """Their scores, laid out."""
        return assemble_heatmap(self.store)

    @cached_property
    def regions(self) -> list[Region]:
        """The regions of the tiles that are called anomalous; none where nothing can be called."""
        if self.tiles.selection is None:
            return []
        chosen = np.zeros(self.heatmap.values.shape, np.bool_)
        index, called = self.tiles.index, self.tiles.selection.chosen
        chosen[index.row[called], index.column[called]] = True
        return find_regions(self.heatmap, chosen, CellEdges.of(self.heatmap, self.header.slide))

    @cached_property
    def thumbnail(self) -> NDArray[np.uint8]:
        """The slide, small."""
        return self.store.thumbnail()
