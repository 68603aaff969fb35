"""Measurements on training tiles: channel statistics, SSIM's ranges, and the mean maps.

The tiles are unchanged (no augmentation) and read batch by batch, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.config import Config
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.principal_axes import PrincipalAxes
from wsi_haloae.model.recentre import recentred
from wsi_haloae.model.residuals import residuals
from wsi_haloae.progress import Advance
from wsi_haloae.tiles.sources import TileSource, read_tiles

BATCH = 16
CELLS_PER_TILE = 64
"""Cells drawn from each tile to estimate the percentiles."""
RANGE_PERCENTILES = (0.001, 0.999)


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics per channel, (C,) each, of the features before standardisation."""

    mean: Tensor
    std: Tensor
    low: Tensor  # 0.1 percentile
    high: Tensor  # 99.9 percentile


def draw(tiles: NDArray[np.int64], config: Config) -> NDArray[np.int64]:
    """The training tiles that statistics are measured on: a fixed random draw, in ascending order."""
    if len(tiles) <= config.training.statistics_tiles:
        return tiles
    random = np.random.default_rng((config.training.seed, 2))
    return np.sort(random.choice(tiles, config.training.statistics_tiles, replace=False))


def images_of(source: TileSource, tiles: NDArray[np.int64], model: HaloAE, device: torch.device) -> Iterator[Tensor]:
    """Normalised images of unchanged tiles, a batch at a time."""
    for start in range(0, len(tiles), BATCH):
        batch = torch.from_numpy(read_tiles(source, tiles[start : start + BATCH])).to(device)
        yield normalise(to_unit(batch), model.config.input_downsample)


@torch.inference_mode()
def measure_features(
    source: TileSource, tiles: NDArray[np.int64], model: HaloAE, device: torch.device, advance: Advance
) -> FeatureStatistics:
    """The statistics of some tiles' features."""

    def batches() -> Iterator[Tensor]:
        for images in images_of(source, tiles, model, device):
            yield model.backbone(images)
            advance(len(images))

    return feature_statistics(batches())


@torch.inference_mode()
def feature_statistics(batches: Iterable[Tensor]) -> FeatureStatistics:
    """Mean and standard deviation over all cells of batches (B, C, m, m), percentiles over a fixed draw of cells."""
    count, drawn = 0, []
    total, squares = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for features in batches:
        cells = features.permute(0, 2, 3, 1).flatten(1, 2).cpu()  # (B, cells, C)
        total = total + cells.sum(dim=(0, 1), dtype=torch.float64)
        squares = squares + cells.double().square().sum(dim=(0, 1))
        count += cells.shape[0] * cells.shape[1]
        chosen = torch.randperm(cells.shape[1], generator=generator)[:CELLS_PER_TILE]
        drawn.append(cells[:, chosen].flatten(0, 1))
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    low, high = np.quantile(torch.cat(drawn).numpy(), RANGE_PERCENTILES, axis=0)
    return FeatureStatistics(mean.float(), std.float(), torch.from_numpy(low).float(), torch.from_numpy(high).float())


@torch.inference_mode()
def measure_axes(
    source: TileSource, tiles: NDArray[np.int64], model: HaloAE, device: torch.device, advance: Advance
) -> PrincipalAxes:
    """Principal components of the features as block C sees them, over all cells."""

    def batches() -> Iterator[Tensor]:
        for images in images_of(source, tiles, model, device):
            yield recentred(model.features(images), model.config.recentre)
            advance(len(images))

    axes = PrincipalAxes.fit(batches())
    assert axes is not None, "a training has at least one tile"
    return axes


@torch.inference_mode()
def measure_mean_maps(
    source: TileSource,
    tiles: NDArray[np.int64],
    model: HaloAE,
    config: Config,
    feature_range: Tensor,
    device: torch.device,
    advance: Advance,
) -> tuple[Tensor, Tensor | None]:
    """Mean residual maps (m, m) of training tiles (paper, Fig. S1; never of test images).

    The second is the mean map of image residuals, None if ``config.loss.im`` leaves the image untrained.
    """
    by_features = torch.zeros(model.map_size, model.map_size, dtype=torch.float64)
    by_image = torch.zeros_like(by_features)
    for start in range(0, len(tiles), BATCH):
        unit = to_unit(torch.from_numpy(read_tiles(source, tiles[start : start + BATCH])).to(device))
        found = residuals(model, unit, feature_range.to(device), config, decode=config.loss.im)
        by_features += found.features.cpu().double().sum(dim=0)
        if found.image is not None:
            by_image += found.image.cpu().double().sum(dim=0)
        advance(len(unit))
    return (by_features / len(tiles)).float(), (by_image / len(tiles)).float() if config.loss.im else None
