"""Which scores are usual is read from reference scores, not known beforehand."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.calibration.reference_scale import usual_scores


@given(st.floats(-5, 5), st.floats(0.01, 100))
def test_half_of_the_scores_lie_below_what_is_said(shift: float, scale: float) -> None:
    scores = (shift + scale * np.random.default_rng(0).gamma(2, size=2001)).astype(np.float32)
    middle, rare = map(float, re.findall(r"below (-?[\d.e+-]*\d)", usual_scores(scores)))
    for share, said in ((0.5, middle), (0.95, rare)):
        near = 0.006 * abs(said) + 1e-6
        assert (scores < said - near).mean() <= share <= (scores <= said + near).mean() + 1e-3


def test_without_reference_scores_nothing_is_said() -> None:
    assert usual_scores(np.empty(0, np.float32)) == ""
