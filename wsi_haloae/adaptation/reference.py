"""What a model knows of reference tiles' descriptors: enough to adapt scores and to calibrate them again.

It is kept in the checkpoint and in every score store, so that another adaptation needs neither slide nor model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.core import FEWEST
from wsi_haloae.adaptation.metric import Metric

MOST_TILES = 1024
"""Calibration tiles that are kept; with 128 numbers each they take 256 KiB."""
LOOSEST = 1.7
"""How many times as far as usual a core may spread. Chosen while looking at three tissues (docs/adaptation.md)."""


@dataclass(frozen=True, eq=False)
class ReferenceDescriptors:
    """The metric; descriptors (m, k) of calibration tiles, and the number of each tile's group (m,).

    ``usual_spread`` is the spread of the core (`core`) of held-out reference tiles; None if they are too few.
    """

    metric: Metric
    calibration: NDArray[np.float16]
    groups: NDArray[np.int32]
    usual_spread: float | None

    @property
    def dimensions(self) -> int:
        """How many numbers k a descriptor has."""
        return len(self.metric.mean)

    def slides(self) -> list[NDArray[np.int64]]:
        """Calibration tiles as if of slides: those of each group that is large enough, or else all in one."""
        found = [np.flatnonzero(self.groups == group) for group in np.unique(self.groups)]
        large = [tiles for tiles in found if len(tiles) >= FEWEST]
        return large or [np.arange(len(self.groups))]

    @cached_property
    def usual_distance(self) -> float:
        """Mean distance of calibration tiles from the level that the tiles of their group tell."""
        slides = [self.calibration[tiles] for tiles in self.slides()]
        return float(np.mean([self.metric.level(tiles).distance(tiles).mean() for tiles in slides]))

    @property
    def largest_spread(self) -> float | None:
        """The largest spread of a slide's core for which it counts as reference tissue; None if that is unknown."""
        return None if self.usual_spread is None else LOOSEST * self.usual_spread

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays, to be stored."""
        metric = self.metric
        return {
            "mean": metric.mean.astype(np.float32),
            "within": metric.within.astype(np.float32),
            "across": metric.across.astype(np.float32),
            "calibration": self.calibration,
            "groups": self.groups,
            "usual_spread": np.array([] if self.usual_spread is None else [self.usual_spread], np.float32),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """From `arrays`. Raises `ValueError` for arrays that do not fit together, `KeyError` for a missing one."""
        found = {name: np.asarray(arrays[name]) for name in _TYPES}
        tiles, size = found["calibration"].shape
        shapes = {"mean": (size,), "within": (size, size), "across": (size, size), "groups": (tiles,)}
        shapes["usual_spread"] = (min(1, found["usual_spread"].size),)
        for name, values in found.items():
            if values.dtype != _TYPES[name] or values.shape != shapes.get(name, values.shape):
                raise ValueError(f"its array {name} is {values.dtype} of shape {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"its array {name} holds numbers that are not finite")
        metric = Metric(*(found[name].astype(np.float64) for name in ("mean", "within", "across")))
        spread = found["usual_spread"].tolist()
        return cls(metric, found["calibration"], found["groups"], spread[0] if spread else None)


_TYPES: Final = {
    "mean": np.dtype(np.float32),
    "within": np.dtype(np.float32),
    "across": np.dtype(np.float32),
    "calibration": np.dtype(np.float16),
    "groups": np.dtype(np.int32),
    "usual_spread": np.dtype(np.float32),
}
