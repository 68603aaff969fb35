"""Comparisons without a model: simple statistics of images that may separate the classes on their own.

If one of them does, good results of a model do not show that it sees defects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.mvtec.image_reading import grey

DECIDING = 0.9
"""AUROC from which a statistic separates the classes; 1 minus it does so too, in the other direction."""


def image_statistics(paths: Sequence[Path], images: Iterable[NDArray[np.uint8]]) -> dict[str, NDArray[np.float64]]:
    """Each statistic of n images (s, s, 3) and their files, (n,) each.

    "brightness" is the mean grey and "contrast" its standard deviation (0..255), "saturation" the mean of HSV (0..1),
    "file size" is in bytes. ``images`` are taken one by one, so they need not fit into memory. Raises `ValueError` if
    the numbers of images and paths differ.
    """
    rows = [_statistics(path, image) for path, image in zip(paths, images, strict=True)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return dict(zip(("brightness", "contrast", "saturation", "file size"), table.T, strict=True))


def deciding_statistics(
    statistics: Mapping[str, NDArray[np.float64]], anomalous: NDArray[np.bool_], limit: float = DECIDING
) -> dict[str, float]:
    """The statistics of test images (n,) that separate the classes, with their AUROC, never flipped.

    Their AUROC is at least ``limit``, or at most 1 - ``limit``. Raises `UsageError` if a class is absent.
    """
    figures = {name: auroc(values, anomalous, of="image") for name, values in statistics.items()}
    return {name: figure for name, figure in figures.items() if max(figure, 1 - figure) >= limit}


def _statistics(path: Path, image: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    levels = grey(image)
    brightest = image.max(axis=2).astype(np.float64)
    saturation = (brightest - image.min(axis=2)) / np.maximum(brightest, 1)  # black has a saturation of 0
    return float(levels.mean()), float(levels.std()), float(saturation.mean()), path.stat().st_size
