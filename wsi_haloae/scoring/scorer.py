"""Scorer: batches of tiles -> anomaly scores and maps, with a checkpoint's blocks B and C.

The rule until scoring rules are decided on evidence (contract, Score): the mean over tissue cells
of |A_fm - mean training map|. The paper's score, the mean of A_fm, stands beside it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.model.anomaly_map import deviation_map, layer_residual_maps, residual_map, smooth
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.preprocessing import normalise, tissue_cells, to_unit
from wsi_haloae.stores.score_store import TileScores

RULE = "mean over tissue cells of |A_fm - mean training map|"


class Scorer:
    """Scores tiles in batches of one fixed size, so that every run computes the same thing."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, batch_size: int) -> None:
        self.batch_size = batch_size
        self._device = device
        self._model = checkpoint.model.to(device).to(memory_format=torch.channels_last).eval()
        self._mean_map = checkpoint.mean_map.to(device)
        self._glass_level = checkpoint.facts.config.scoring.glass_level

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the feature layers, in the order of ``layer_residuals``."""
        return self._model.backbone.layers

    @property
    def map_size(self) -> int:
        """Side m of the anomaly maps."""
        return self._model.map_size

    def score(self, tiles: NDArray[np.uint8], *, keep_maps: bool = False) -> TileScores:
        """uint8 tiles (n, s, s, 3), any n -> their results; the last batch is padded to full size."""
        parts = [
            self._score_batch(tiles[start : start + self.batch_size], keep_maps=keep_maps)
            for start in range(0, len(tiles), self.batch_size)
        ]
        return TileScores(
            score=np.concatenate([part.score for part in parts]),
            score_paper=np.concatenate([part.score_paper for part in parts]),
            layer_residuals=np.concatenate([part.layer_residuals for part in parts]),
            tissue_cells=np.concatenate([part.tissue_cells for part in parts]),
            anomaly_map=np.concatenate([part.anomaly_map for part in parts if part.anomaly_map is not None])
            if keep_maps
            else None,
        )

    @torch.inference_mode()
    def _score_batch(self, tiles: NDArray[np.uint8], *, keep_maps: bool) -> TileScores:
        count = len(tiles)
        padded = np.zeros((self.batch_size, *tiles.shape[1:]), dtype=np.uint8)
        padded[:count] = tiles
        unit = to_unit(torch.from_numpy(padded).to(self._device))
        tissue = tissue_cells(unit, self._model.map_size, self._glass_level)  # (B, m, m)
        images = normalise(unit, self._model.config.input_downsample)
        features = self._model.features(images.contiguous(memory_format=torch.channels_last))
        reconstruction = self._model.reconstruct(features)
        residual = residual_map(features, reconstruction)  # (B, m, m)
        layers = layer_residual_maps(features, reconstruction, self._model.backbone.layer_channels)
        deviation = deviation_map(residual, self._mean_map)
        layer_means = torch.stack([_mean_over(layer, tissue) for layer in layers.unbind(dim=1)], dim=1)
        return TileScores(
            score=_numpy(_mean_over(deviation, tissue))[:count],
            score_paper=_numpy(residual.mean(dim=(1, 2)))[:count],
            layer_residuals=_numpy(layer_means)[:count],
            tissue_cells=tissue.sum(dim=(1, 2)).cpu().numpy().astype(np.int32)[:count],
            anomaly_map=_numpy(smooth(deviation))[:count] if keep_maps else None,
        )


def _mean_over(maps: Tensor, tissue: Tensor) -> Tensor:
    """Mean of (B, m, m) over tissue cells; over all cells where a tile has none: (B,)."""
    weight = tissue.to(maps.dtype)
    weight = torch.where(weight.sum(dim=(1, 2), keepdim=True) > 0, weight, torch.ones_like(weight))
    return (maps * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
