"""Pyramid levels of an array: each is half as large as the one before, and NaN where all source cells are NaN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SMALLEST = 256
"""Cells. A pyramid ends with the first level whose sides are at most this long. Files use it as tile or chunk size."""


def pyramid(values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The values (h, w), then levels of half the size, rounded up, until both sides are at most `SMALLEST`."""
    yield values
    while max(values.shape) > SMALLEST:
        values = halved(values)
        yield values


def halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 cells, (ceil(h / 2), ceil(w / 2)). NaN is ignored; the mean is NaN only if all four cells are."""
    height, width = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2)), constant_values=np.nan)
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).astype(np.float64)
    known = (~np.isnan(blocks)).sum(axis=(1, 3))
    total = np.nansum(blocks, axis=(1, 3))
    return np.where(known > 0, total / np.maximum(known, 1), np.nan).astype(np.float32)
