"""Scorer: batches of tiles -> anomaly scores and maps, with a checkpoint's blocks B and C.

The rule until scoring rules are decided on evidence (contract, Score): the mean over tissue cells
of |A_fm - mean training map|. The configuration may choose another (paper, Table S2). The paper's
score, the mean of A_fm, stands beside it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.config import ScoringConfig
from wsi_haloae.model.anomaly_map import normalise_map, smooth
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.preprocessing import tissue_cells, to_unit
from wsi_haloae.model.residuals import Residuals, residuals
from wsi_haloae.stores.score_store import TileScores


def rule_name(config: ScoringConfig) -> str:
    """The rule in words, as a score store records it."""
    if config.pooling == "classifier":
        return "P(damaged) of the classifier"
    residual = {"features": "A_fm", "image": "A_im"}[config.source]
    if config.residual == "ssim":
        residual = "(1 - SSIM)"
    deviation = {
        "absolute": f"|{residual} - mean training map|",
        "signed": f"{residual} - mean training map",
        "none": residual,
    }[config.normalisation]
    cells = "all cells" if config.glass_level is None else "tissue cells"
    if config.pooling == "mean":
        return f"mean over {cells} of {deviation}"
    return f"maximum over {cells} of {'smoothed ' if config.smooth else ''}{deviation}"


class Scorer:
    """Scores tiles in batches of one fixed size, so that every run computes the same thing."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, batch_size: int) -> None:
        self.batch_size = batch_size
        self._device, self._config = device, checkpoint.facts.config
        self._model = checkpoint.model.to(device).to(memory_format=torch.channels_last).eval()
        self._mean_map = checkpoint.scoring_mean_map().to(device)
        self._feature_range = checkpoint.feature_range.to(device)

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
        rule, count = self._config.scoring, len(tiles)
        padded = np.zeros((self.batch_size, *tiles.shape[1:]), dtype=np.uint8)
        padded[:count] = tiles
        unit = to_unit(torch.from_numpy(padded).to(self._device))
        tissue = tissue_cells(unit, self._model.map_size, rule.glass_level)  # (B, m, m)
        decode = rule.source == "image" or rule.pooling == "classifier"
        found = residuals(self._model, unit, self._feature_range, self._config, decode=decode)
        deviation = normalise_map(_chosen(found, rule), self._mean_map, rule.normalisation)
        final = smooth(deviation) if rule.smooth else deviation
        layer_means = torch.stack([_mean_over(layer, tissue) for layer in found.layers.unbind(dim=1)], dim=1)
        return TileScores(
            score=_numpy(_pool(deviation, final, tissue, found, rule))[:count],
            score_paper=_numpy(found.squared.mean(dim=(1, 2)))[:count],
            layer_residuals=_numpy(layer_means)[:count],
            tissue_cells=tissue.sum(dim=(1, 2)).cpu().numpy().astype(np.int32)[:count],
            anomaly_map=_numpy(final)[:count] if keep_maps else None,
        )


def _chosen(found: Residuals, rule: ScoringConfig) -> Tensor:
    if rule.source == "image":
        assert found.image is not None, "blocks D and E run for this source"
        return found.image
    return found.features


def _pool(deviation: Tensor, final: Tensor, tissue: Tensor, found: Residuals, rule: ScoringConfig) -> Tensor:
    """One number per tile, (B,). The mean is taken before the filter, which would carry glass into tissue."""
    if rule.pooling == "classifier":
        assert found.damaged is not None, "blocks D and E run for this pooling"
        return found.damaged
    if rule.pooling == "mean":
        return _mean_over(deviation, tissue)
    counted = tissue | ~tissue.any(dim=(1, 2), keepdim=True)  # all cells where a tile has no tissue
    return final.masked_fill(~counted, -torch.inf).amax(dim=(1, 2))


def _mean_over(maps: Tensor, tissue: Tensor) -> Tensor:
    """Mean of (B, m, m) over tissue cells; over all cells where a tile has none: (B,)."""
    weight = tissue.to(maps.dtype)
    weight = torch.where(weight.sum(dim=(1, 2), keepdim=True) > 0, weight, torch.ones_like(weight))
    return (maps * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
