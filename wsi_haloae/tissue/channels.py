"""The darkest, the brightest and the mean of three channels: NumPy's own reductions of so short an axis are slow."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray


def by_channel(colours: NDArray[Any]) -> NDArray[Any]:
    """The same (h, w, 3), with the pixels of a channel side by side in memory: one channel is then read fast."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(colours, 2, 0)), 0, 2)


def least(colours: NDArray[Any]) -> NDArray[Any]:
    """``colours.min(axis=2)``, (h, w, 3) -> (h, w)."""
    return reduce(np.minimum, _channels(colours))


def greatest(colours: NDArray[Any]) -> NDArray[Any]:
    """``colours.max(axis=2)``, (h, w, 3) -> (h, w)."""
    return reduce(np.maximum, _channels(colours))


def average(colours: NDArray[Any]) -> NDArray[np.float32]:
    """``colours.mean(axis=2)`` in float32, (h, w, 3) -> (h, w)."""
    total = reduce(np.add, (channel.astype(np.float32) for channel in _channels(colours)))
    return np.asarray(total / np.float32(3), np.float32)


def _channels(colours: NDArray[Any]) -> list[NDArray[Any]]:
    return [colours[..., channel] for channel in range(colours.shape[2])]
