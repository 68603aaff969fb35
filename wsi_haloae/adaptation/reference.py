"""What a model knows of reference tiles' descriptors: enough to adapt scores and to calibrate them again.

It is kept in the checkpoint and in every score store, so that another adaptation needs neither slide nor model.

p-values need scores of tiles that the metric was not taught by. So the reference tiles' groups are divided into a few
folds, and each fold is scored in a metric that the other folds taught (`HeldOut`). Every tile teaches the metric that
scores slides, and every tile calibrates it: cross-conformal prediction (Vovk 2015, Annals of Mathematics and Artificial
Intelligence 74:9). The folds' metrics know a little less, so their scores are a little higher, and p-values larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.core import FEWEST, Core, find_core
from wsi_haloae.adaptation.metric import Metric

DOUBTFUL, LOOSEST = 1.4, 1.7
"""How many times as far as usual a core may spread without a word, and at all.

Chosen while looking at three tissues, where neither tells all slides without reference tissue (docs/adaptation.md).
"""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One fold: descriptors (m, k) of tiles that did not teach ``metric``, and the number of each tile's group (m,).

    ``positions`` (m, 3) say where the tiles lie (`neighbourhood`); the numbers of slides are those of all folds.
    """

    metric: Metric
    descriptors: NDArray[np.float16]
    groups: NDArray[np.int32]
    positions: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ReferenceDescriptors:
    """The metric that all reference tiles taught, and the folds that calibrate it."""

    metric: Metric
    held_out: tuple[HeldOut, ...]

    @property
    def dimensions(self) -> int:
        """How many numbers k a descriptor has."""
        return len(self.metric.mean)

    def slides(self, fewest: int) -> list[tuple[HeldOut, NDArray[np.int64]]]:
        """Held-out tiles as if of slides: numbers of the tiles in each group of at least ``fewest``, with their fold.

        If all groups are smaller, each fold counts as one slide. Its tiles differ as patients do, so that scores are
        higher than on a slide, and p-values larger.
        """
        large = [
            (fold, np.flatnonzero(fold.groups == group))
            for fold in self.held_out
            for group, size in zip(*np.unique(fold.groups, return_counts=True), strict=True)
            if size >= fewest
        ]
        return large or [(fold, np.arange(len(fold.groups))) for fold in self.held_out]

    @cached_property
    def usual_distance(self) -> float:
        """Mean distance of held-out tiles from the level that the tiles of their slide tell."""
        slides = [(fold.metric, fold.descriptors[tiles]) for fold, tiles in self.slides(FEWEST)]
        return float(np.mean([metric.level(tiles).distance(tiles).mean() for metric, tiles in slides]))

    @cached_property
    def usual_spread(self) -> float | None:
        """Mean spread of the cores (`core`) of held-out tiles' slides; None if all have too few tiles for a core."""
        slides = [(fold.metric, fold.descriptors[tiles]) for fold, tiles in self.slides(FEWEST)]
        spreads = [find_core(tiles, metric).spread for metric, tiles in slides if len(tiles) >= FEWEST]
        return float(np.mean(spreads)) if spreads else None

    def looseness(self, core: Core) -> float:
        """How many times as far as usual the core of a slide spreads; 0 if nobody knows."""
        return 0.0 if self.usual_spread is None else core.spread / self.usual_spread

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays, to be stored."""
        folds = self.held_out
        whole = {name: getattr(self.metric, name).astype(np.float32) for name in _METRIC}
        taught = {
            f"fold_{name}": np.stack([getattr(fold.metric, name) for fold in folds]).astype(np.float32)
            for name in _METRIC
        }
        return {
            **whole,
            **taught,
            "fold": np.repeat(np.arange(len(folds), dtype=np.int32), [len(fold.groups) for fold in folds]),
            "descriptors": np.concatenate([fold.descriptors for fold in folds]),
            "groups": np.concatenate([fold.groups for fold in folds]),
            "positions": np.concatenate([fold.positions for fold in folds]),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """From `arrays`. Raises `ValueError` for arrays that do not fit together, `KeyError` for a missing one."""
        found = {name: np.asarray(arrays[name]) for name in _TYPES}
        size, folds, tiles = found["mean"].size, len(found["fold_mean"]), len(found["descriptors"])
        for name, values in found.items():
            shape = tuple({"k": size, "F": folds, "m": tiles, "3": 3}[letter] for letter in _SHAPES[name])
            if values.dtype != _TYPES[name] or values.shape != shape:
                raise ValueError(f"its array {name} is {values.dtype} of shape {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"its array {name} holds numbers that are not finite")
        if not np.array_equal(np.unique(found["fold"]), np.arange(folds)):
            raise ValueError("its folds have no tiles, or tiles no fold")
        return cls(_metric(found, "", ...), tuple(_held_out(found, fold) for fold in range(folds)))


_METRIC: Final = ("mean", "within", "across")
_SHAPES: Final = {
    "mean": "k",
    "within": "kk",
    "across": "kk",
    "fold_mean": "Fk",
    "fold_within": "Fkk",
    "fold_across": "Fkk",
    "fold": "m",
    "descriptors": "mk",
    "groups": "m",
    "positions": "m3",
}
"""k dimensions, F folds, m tiles."""
_TYPES: Final = {name: np.dtype(np.float32) for name in _SHAPES} | {
    "fold": np.dtype(np.int32),
    "descriptors": np.dtype(np.float16),
    "groups": np.dtype(np.int32),
}


def _held_out(found: Mapping[str, NDArray[Any]], fold: int) -> HeldOut:
    own = found["fold"] == fold
    return HeldOut(
        _metric(found, "fold_", fold), *(found[name][own] for name in ("descriptors", "groups", "positions"))
    )


def _metric(found: Mapping[str, NDArray[Any]], prefix: str, place: Any) -> Metric:
    return Metric(*(found[f"{prefix}{name}"][place].astype(np.float64) for name in _METRIC))
