"""What is foretold is what calibration finds, if tiles are as alike as was assumed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.test_clustering import grouped
from wsi_haloae.calibration.clustering import tail_correlation
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.calibration.planning import expected, groups_needed
from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.calibration.selection import FDR, fine_enough, select_tiles


@pytest.mark.parametrize("shared", [0.0, 0.4, 1.0])
def test_the_smallest_p_value_is_that_of_such_groups(shared: float) -> None:
    scores, groups = grouped(shared, groups=40, size=10)
    found = ConformalCalibration.fit(scores.astype(np.float32), groups).facts
    assert expected(np.full(40, 10), tail_correlation(scores, groups)) == found


@pytest.mark.parametrize("sizes", [[50], [1, 1, 1]])
def test_where_calibration_cannot_measure_similarity_it_is_not_assumed_either(sizes: list[int]) -> None:
    names = np.repeat(np.arange(len(sizes)), sizes).astype(str)
    scores = np.random.default_rng(0).random(len(names)).astype(np.float32)
    assert expected(np.array(sizes), 0.1) == ConformalCalibration.fit(scores, names).facts


@pytest.mark.parametrize("size", [1, 7, 300])
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3, 1.0])
def test_one_group_fewer_than_needed_is_too_few(size: int, correlation: float) -> None:
    for criterion, enough in (
        ("per-tile error rate", lambda p: reaches(p, TILE_RATE)),
        ("false-discovery rate", lambda p: fine_enough(p, FDR)),
    ):
        needed = groups_needed(size, correlation, enough)
        smallest = expected(np.full(needed, size), correlation).smallest_p
        found = select_tiles(np.ones(1, np.float32), smallest)
        assert found is not None
        assert enough(smallest)
        if needed > 1:
            fewer = expected(np.full(needed - 1, size), correlation).smallest_p
            assert not enough(fewer)
            less = select_tiles(np.ones(1, np.float32), fewer)
            assert less is None or less.criterion != criterion or found.criterion != criterion
