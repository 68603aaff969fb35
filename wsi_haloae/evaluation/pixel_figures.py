"""The measures of anomaly maps against masks that the paper's tables report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.aupro import aupro
from wsi_haloae.evaluation.metrics import auroc, average_precision

SIZE, PAPER_SIZE = 256, 128
"""Pixels per side at which maps are compared with masks; the published code uses half of that."""


@dataclass(frozen=True)
class PixelFigures:
    """Pixel AUROC at 256 and at 128 pixels per side; average precision, and AUPRO (up to 0.3), at 256."""

    auroc: float
    auroc_128: float
    average_precision: float
    aupro: float


@dataclass(frozen=True)
class Masks:
    """Masks of the same images at both sizes, resized by nearest neighbour: (n, 256, 256) and (n, 128, 128)."""

    full: NDArray[np.bool_]
    half: NDArray[np.bool_]


def pixel_figures(maps: NDArray[np.float32], maps_128: NDArray[np.float32], masks: Masks) -> PixelFigures:
    """Measure maps (n, 256, 256) and (n, 128, 128); `UsageError` if there are no defect pixels or no others."""
    return PixelFigures(
        auroc=auroc(maps.ravel(), masks.full.ravel()),
        auroc_128=auroc(maps_128.ravel(), masks.half.ravel()),
        average_precision=average_precision(maps.ravel(), masks.full.ravel()),
        aupro=aupro(maps, masks.full),
    )
