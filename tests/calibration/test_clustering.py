"""Tiles of a group count for as much as they differ."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.calibration.clustering import effective_tiles, group_numbers, intraclass_correlation, tail_correlation


def grouped(shared: float, groups: int = 300, size: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores of which the share ``shared`` of the variance is the group's, and the groups' names."""
    random = np.random.default_rng(seed)
    own = random.normal(size=(groups, size)) * np.sqrt(1 - shared)
    values = random.normal(size=(groups, 1)) * np.sqrt(shared) + own
    return values.ravel(), np.repeat(np.arange(groups), size).astype(str)


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.7, 1.0])
def test_the_correlation_is_the_share_of_variance_between_groups(shared: float) -> None:
    assert intraclass_correlation(*grouped(shared)) == pytest.approx(shared, abs=0.08)


def test_uneven_groups_do_not_move_the_correlation() -> None:
    values, groups = grouped(0.5, groups=600)
    kept = np.random.default_rng(1).random(len(values)) < np.where(groups.astype(int) % 2, 1.0, 0.4)
    assert intraclass_correlation(values[kept], groups[kept]) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("values", "groups"),
    [([1.0, 2.0, 3.0], ["a", "a", "a"]), ([1.0, 2.0, 3.0], ["a", "b", "c"]), ([1.0, 1.0, 1.0], ["a", "a", "b"])],
)
def test_what_cannot_be_estimated_counts_as_copies(values: list[float], groups: list[str]) -> None:
    assert intraclass_correlation(np.array(values), np.array(groups)) == 1.0


def test_copies_count_once_and_unrelated_tiles_each() -> None:
    sizes = np.array([20, 20, 20])
    assert effective_tiles(sizes, 1.0) == pytest.approx(3)
    assert effective_tiles(sizes, 0.0) == pytest.approx(60)
    assert 3 < effective_tiles(sizes, 0.3) < 60


def test_effective_tiles_are_the_variance_of_the_mean_of_group_means() -> None:
    sizes, shared = np.array([2, 7, 30]), 0.4
    random = np.random.default_rng(0)
    means = np.stack(
        [
            np.sqrt(shared) * random.normal(size=20_000) + np.sqrt((1 - shared) / size) * random.normal(size=20_000)
            for size in sizes
        ]
    ).mean(axis=0)
    assert 1 / effective_tiles(sizes, shared) == pytest.approx(float(means.var()), rel=0.05)


def test_groups_are_numbered_in_place() -> None:
    numbers, sizes = group_numbers(np.array(["b", "a", "b"]))
    assert sizes[numbers].tolist() == [2, 1, 2]


def test_extremes_are_shared_less_than_levels_and_copies_share_everything() -> None:
    values, groups = grouped(0.5)
    assert 0 < tail_correlation(values, groups) < intraclass_correlation(values, groups)
    assert tail_correlation(np.repeat(values[::5], 5), groups) == pytest.approx(1)
    assert tail_correlation(*grouped(0.0)) < 0.1
