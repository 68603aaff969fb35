"""Features of images by a checkpoint's block B, for baselines that read them several times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.baselines.protocol import FeatureBatches
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance
from wsi_haloae.tiles.sources import TileSource, read_tiles

BATCH = 16
KEPT_BYTES = 2 * 1024**3
"""Up to this size, the features of the training images are kept; beyond it they are computed again each time."""


class ModelFeatures:
    """Block B of a checkpoint: from images to standardised features (B, C, m, m)."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self._model = checkpoint.model.to(device).eval()
        self._device = device
        self.layer_channels = self._model.backbone.layer_channels

    def batches(self, source: TileSource, numbers: NDArray[np.int64]) -> Iterator[Tensor]:
        """Features of unaugmented images, batch by batch."""
        for start in range(0, len(numbers), BATCH):
            unit = to_unit(torch.from_numpy(read_tiles(source, numbers[start : start + BATCH])).to(self._device))
            yield self._model.features(normalise(unit, self._model.config.input_downsample))

    def kept(self, source: TileSource, numbers: NDArray[np.int64], advance: Advance) -> FeatureBatches:
        """Batches that can be read several times: from memory up to `KEPT_BYTES`, otherwise computed again."""
        size = len(numbers) * self._model.backbone.channels * self._model.map_size**2 * 4
        if size > KEPT_BYTES:
            return lambda: self.batches(source, numbers)
        batches = []
        for features in self.batches(source, numbers):
            batches.append(features)
            advance(len(features))
        return lambda: iter(batches)
