"""Compares the groups of a study by patient: a slide of 75,000 tiles is one observation, not 75,000.

A patient's value is the mean over the patient's slides, weighted by tissue area, so a patient with ten slides counts
once. Intervals are percentiles of a bootstrap over patients, drawn separately for each group (Efron and Tibshirani
1993). The p-value comes from a permutation test of the patients in two groups (the same book, chapter 15).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.cohort.slides import StudySlide
from wsi_haloae.evaluation.interval import Interval

DRAWS = 5000
FEWEST = 2
"""Fewest patients in a group that is compared: a single patient has no spread."""
SMALLEST_STUDY = 5
"""With fewer patients in a group, a percentile interval is too narrow to be trusted."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class GroupValues:
    """The patients of a group, their values, and the mean with its 95 % interval (None for one patient)."""

    name: str
    patients: Sequence[str]
    values: Values
    mean: float
    interval: Interval | None


@dataclass(frozen=True)
class Difference:
    """Mean of ``first`` minus mean of ``second``, its 95 % interval, and a two-sided p-value by permutation."""

    first: str
    second: str
    difference: float
    interval: Interval
    p_value: float


def group_values(slides: Sequence[StudySlide], measure: str, *, seed: int = 0) -> list[GroupValues]:
    """The groups, sorted by name. ``measure`` is a field of `StudySlide`; slides without a value are left out."""
    known = [slide for slide in slides if slide.group and getattr(slide, measure) is not None and slide.tissue_mm2]
    found: list[GroupValues] = []
    for name in sorted({slide.group for slide in known}):
        by_patient = _by_patient([slide for slide in known if slide.group == name], measure)
        values = np.array(list(by_patient.values()))
        draws = _means(values, np.random.default_rng([seed, len(found)]))
        interval = Interval.from_draws(draws) if len(values) >= FEWEST else None
        found.append(GroupValues(name, list(by_patient), values, float(values.mean()), interval))
    return found


def differences(groups: Sequence[GroupValues], *, seed: int = 0) -> list[Difference]:
    """The differences between all pairs of groups with at least `FEWEST` patients."""
    large = [group for group in groups if len(group.values) >= FEWEST]
    return [
        _difference(one, other, np.random.default_rng([seed, 1, number]))
        for number, (one, other) in enumerate(combinations(large, 2))
    ]


def _by_patient(slides: Sequence[StudySlide], measure: str) -> Mapping[str, float]:
    values = {}
    for unit in sorted({slide.unit for slide in slides}):
        own = [slide for slide in slides if slide.unit == unit]
        weights = [slide.tissue_mm2 or 0.0 for slide in own]
        values[unit] = float(np.average([getattr(slide, measure) for slide in own], weights=weights))
    return values


def _means(values: Values, random: np.random.Generator) -> Values:
    """Means of `DRAWS` bootstrap samples: (patients,) -> (draws,)."""
    means: Values = values[random.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    return means


def _difference(one: GroupValues, other: GroupValues, random: np.random.Generator) -> Difference:
    observed = one.mean - other.mean
    draws = _means(one.values, random) - _means(other.values, random)
    pooled, count = np.concatenate([one.values, other.values]), len(one.values)
    mixed = random.permuted(np.tile(pooled, (DRAWS, 1)), axis=1)  # (draws, patients)
    mixed_differences = mixed[:, :count].mean(axis=1) - mixed[:, count:].mean(axis=1)
    extreme = int((np.abs(mixed_differences) >= abs(observed) - 1e-12).sum())
    return Difference(one.name, other.name, observed, Interval.from_draws(draws), (extreme + 1) / (DRAWS + 1))
