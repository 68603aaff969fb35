"""Where no tile can be called it is said, and the number in the sentence never contradicts it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import TILE_RATE, reaches, told_apart, why_none
from wsi_haloae.calibration.selection import LARGEST_SHARE, select_tiles, share_told_apart
from wsi_haloae.training.calibrate import describe


def facts(effective_tiles: float) -> CalibrationFacts:
    return CalibrationFacts(tiles=39, groups=9, correlation=0.1, effective_tiles=effective_tiles)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0503, "0.0503"),
        (0.050_000_04, "0.05000004"),
        (0.25, "0.25"),
        (0.0456, "0.046"),
        (0.0496, "0.0496"),
        (0.05, "0.05"),
    ],
)
def test_as_many_digits_as_tell_a_value_apart_from_the_rate(value: float, words: str) -> None:
    assert told_apart(value, 0.05) == words


@given(st.floats(1e-6, 1), st.sampled_from([0.01, 0.05, 0.1, 1.0]))
@example(np.nextafter(0.05, 1), 0.05)
@example(float(np.nextafter(np.float32(0.05), np.float32(1))), 0.05)
def test_what_is_said_is_on_the_side_where_the_value_is(value: float, limit: float) -> None:
    said = float(told_apart(value, limit))
    assert reaches(said, limit) == reaches(value, limit)
    assert said == pytest.approx(value, rel=0.06)


@given(st.floats(2, 1000))
@example(19.0)
@example(18.999_999_999)
@example(np.nextafter(19.0, 0))
def test_sentence_and_selection_agree(effective_tiles: float) -> None:
    smallest_p = facts(effective_tiles).smallest_p
    found = select_tiles(np.array([smallest_p, 0.5], np.float32), smallest_p)
    sentence = why_none(smallest_p)
    assert (found is None) == (sentence is not None)
    if sentence is None:
        assert found is not None
        assert found.chosen.tolist() == [True, False], "the strangest tile is called wherever one can be"
    else:
        said = re.search(r"error rate of 5\N{NO-BREAK SPACE}%: .* p-value is ([\d.]+)\.", sentence)
        assert said
        assert float(said[1]) > TILE_RATE


def test_a_model_without_calibration_has_its_own_reason() -> None:
    sentence = why_none(None)
    assert sentence is not None
    assert sentence.startswith("No tile can be called anomalous at an error rate of 5\N{NO-BREAK SPACE}%: ")
    assert "not calibrated" in sentence


def test_training_says_the_same_sentence() -> None:
    coarse = facts(18.88)
    told = describe(coarse)
    assert why_none(coarse.smallest_p) in told
    assert "0.0503" in told
    assert "worth 18.9 independent tiles" in told, "19 would be enough"
    assert "called at a per-tile error rate of 5\N{NO-BREAK SPACE}%" in describe(facts(21))
    assert "smallest p-value 0.045" in describe(facts(21))
    assert "called at a false-discovery rate of 10\N{NO-BREAK SPACE}%" in describe(facts(1000))


def test_a_share_that_is_too_large_is_not_spelled_as_the_largest_that_is_accepted() -> None:
    assert share_told_apart(0.244) == "24"
    assert float(share_told_apart(0.01003)) > 100 * LARGEST_SHARE
