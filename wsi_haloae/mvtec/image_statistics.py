"""The no-model rows of images: statistics that tell the classes apart without any model.

Where one of them decides, a high figure of a model is no proof that it sees defects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.mvtec.image_reading import grey

DECIDING = 0.9
"""AUROC at which a statistic alone decides; 1 minus it decides as well, the other way round."""


def image_statistics(paths: Sequence[Path], images: Iterable[NDArray[np.uint8]]) -> dict[str, NDArray[np.float64]]:
    """Each statistic of n images (s, s, 3) and their files, (n,) each.

    "brightness" is the mean grey and "contrast" its standard deviation (0..255), "saturation" the mean of HSV (0..1),
    "file size" in bytes. ``images`` are taken one by one, so they need not fit into memory. Raises `ValueError` when
    there are not as many images as paths.
    """
    rows = [_statistics(path, image) for path, image in zip(paths, images, strict=True)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return dict(zip(("brightness", "contrast", "saturation", "file size"), table.T, strict=True))


def deciding_statistics(
    statistics: Mapping[str, NDArray[np.float64]], anomalous: NDArray[np.bool_], limit: float = DECIDING
) -> dict[str, float]:
    """AUROC, never flipped, of those statistics of test images (n,) that tell the classes apart alone.

    They are the ones at ``limit`` or above, and at 1 - ``limit`` or below. Raises `UsageError` when a class is absent.
    """
    figures = {name: auroc(values, anomalous, of="image") for name, values in statistics.items()}
    return {name: figure for name, figure in figures.items() if max(figure, 1 - figure) >= limit}


def _statistics(path: Path, image: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    levels = grey(image)
    brightest = image.max(axis=2).astype(np.float64)
    saturation = (brightest - image.min(axis=2)) / np.maximum(brightest, 1)  # black has none
    return float(levels.mean()), float(levels.std()), float(saturation.mean()), path.stat().st_size
