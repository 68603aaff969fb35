"""p-values of new groups: what is promised and what is found."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.test_descriptors import made
from wsi_haloae.calibration.true_rate import RateRange
from wsi_haloae.experiments.descriptor_study import ColouringStudy, Split, markdown_study, promised_and_found


def test_new_groups_keep_the_rate_and_stranger_ones_do_not() -> None:
    moments = made(groups=40, tiles=10)
    learning = np.isin(moments.groups, np.unique(moments.groups)[:25])
    found = promised_and_found(moments, learning, seed=0)
    assert found.kept
    assert 0 < found.share < 0.12
    moments.values[~learning] += 20
    assert promised_and_found(moments, learning, seed=0).share > 0.9


def test_too_few_tiles_promise_nothing() -> None:
    moments = made(groups=4, tiles=2)
    found = promised_and_found(moments, np.arange(8) < 6, seed=0)
    assert found.promised is None
    assert not found.kept


@pytest.mark.parametrize(("share", "kept"), [(0.01, False), (0.05, True), (0.2, False)])
def test_a_share_is_kept_inside_its_range(share: float, kept: bool) -> None:
    assert Split(share, RateRange(0.02, 0.1)).kept is kept


def test_the_table_counts_the_splits() -> None:
    splits = [Split(0.05, RateRange(0.02, 0.1)), Split(0.2, RateRange(0.02, 0.1))]
    page = markdown_study("lung", [ColouringStudy("colour", {16: 0.5, 128: 0.9}, splits)])
    assert "| colour | 0.500 | 0.900 |" in page
    assert "| colour | 0.125 | 0.050 | 0.200 | 1 of 2 |" in page
