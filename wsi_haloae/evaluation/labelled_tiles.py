"""Scored tiles whose class is known, from slides with outlines or from folders of images: what a judgement needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.comparison import MethodScores

SCORE = "score"
"""The name of the model's own score, whatever rule computes it."""


@dataclass(frozen=True, eq=False)
class LabelledTiles:
    """n tiles with a class, and everything that was scored on them; n of each."""

    classes: NDArray[np.str_]
    anomalous: NDArray[np.bool_]
    groups: NDArray[np.str_]  # patient, slide, cluster, or block of tiles
    rules: Mapping[str, NDArray[np.float32]]  # `SCORE` and every other rule
    p_values: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    discovered: NDArray[np.bool_]  # (n, rates): called at each false-discovery rate, whatever criterion was used
    baselines: Sequence[MethodScores] = ()

    @classmethod
    def joined(cls, parts: Sequence[LabelledTiles]) -> LabelledTiles:
        """Tiles of several slides that were scored by the same rules, without baselines; ``parts`` is not empty."""
        names = [name for name in parts[0].rules if all(name in part.rules for part in parts)]
        return cls(
            classes=np.concatenate([part.classes for part in parts]),
            anomalous=np.concatenate([part.anomalous for part in parts]),
            groups=np.concatenate([part.groups for part in parts]),
            rules={name: np.concatenate([part.rules[name] for part in parts]) for name in names},
            p_values=np.concatenate([part.p_values for part in parts]),
            chosen=np.concatenate([part.chosen for part in parts]),
            discovered=np.concatenate([part.discovered for part in parts]),
        )

    @property
    def methods(self) -> list[MethodScores]:
        """All rules, then all baselines."""
        return [*(MethodScores(name, "HaloAE", scores) for name, scores in self.rules.items()), *self.baselines]

    def names(self, *, anomalous: bool) -> list[str]:
        """The anomalous classes, or the reference classes."""
        return sorted(set(self.classes[self.anomalous == anomalous].tolist()))
