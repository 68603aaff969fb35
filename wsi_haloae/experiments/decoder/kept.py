"""All features of a set that a run needs, on disk: to train, to teach rules and rivals, and to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.config import Config
from wsi_haloae.experiments.decoder.cache import FeatureCache, FeatureMaps
from wsi_haloae.experiments.decoder.sets import StudySet
from wsi_haloae.experiments.decoder.views import (
    USUAL_TILES,
    augmented,
    changed_cells,
    damaged,
    synthetic,
    usual_tiles,
)
from wsi_haloae.tiles.sources import evenly


@dataclass(frozen=True, eq=False)
class KeptTiles:
    """The features of a set: of its reference tiles, of each training tile augmented once, and of damaged copies.

    ``damaged`` holds first each training tile damaged by a patch, then each damaged by a scar; None if no loss needs
    them.
    """

    tile_size: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    reference: FeatureMaps
    augmented: FeatureMaps
    damaged: FeatureMaps | None

    def features(self, numbers: NDArray[np.int64], device: torch.device) -> Iterator[Tensor]:
        """Features of unchanged reference tiles, batch by batch."""
        for features, _cells in self.reference.batches(numbers):
            yield features.to(device)


@dataclass(frozen=True, eq=False)
class KeptSet:
    """A set with all its features on disk: judged tiles, and synthetic anomalies of the u ``usual`` tiles by kind.

    ``changed`` says which cells of each synthetic anomaly are changed, (u, m, m); it is empty if whole tiles are.
    """

    tiles: StudySet
    kept: KeptTiles
    judged: FeatureMaps
    usual: NDArray[np.int64]
    synthetic: Mapping[str, FeatureMaps]
    changed: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, tiles: StudySet, cache: FeatureCache, config: Config) -> KeptSet:
        """Everything that a run needs; features that are not there yet are computed."""
        parts = tiles.split.tiles
        kept = KeptTiles(
            tiles.source.tile_size,
            parts["train"],
            parts["validation"],
            cache.maps("reference", tiles.source),
            cache.maps("augmented", augmented(tiles, config.training)),
            cache.maps("damaged", damaged(tiles)) if config.loss.copies else None,
        )
        sources, usual = synthetic(tiles), usual_tiles(tiles)
        anomalies = {kind: cache.maps(kind.replace(" ", "-"), source) for kind, source in sources.items()}
        cells = kept.reference.cells.shape[-1]
        changed = {kind: changed_cells(usual, one, cells) for kind, one in sources.items()} if tiles.local else {}
        numbers = evenly(parts["calibration"], USUAL_TILES)
        return cls(tiles, kept, cache.maps("judged", tiles.judged), numbers, anomalies, changed)

    def batches(self, part: str) -> Callable[[], Iterator[tuple[Tensor, Tensor]]]:
        """Starts a pass over the features of a part of the split."""
        return lambda: self.kept.reference.batches(self.tiles.split.tiles[part])
