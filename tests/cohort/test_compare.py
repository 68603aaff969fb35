"""Groups compared by patient: against slow references, and with the error rate that a test must have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from wsi_haloae.cohort.compare import differences, group_values
from wsi_haloae.cohort.slides import StudySlide


def slide(name: str, patient: str, group: str, value: float | None, tissue: float = 1.0) -> StudySlide:
    return StudySlide(name, patient, group, "done", tissue_mm2=tissue, p_below=value)


def study(values: dict[str, list[float]]) -> list[StudySlide]:
    return [
        slide(f"{group}{number}", f"{group}-p{number}", group, value)
        for group, own in values.items()
        for number, value in enumerate(own)
    ]


def test_a_patients_value_is_the_mean_of_its_slides_weighted_by_tissue() -> None:
    slides = [slide("a", "p", "g", 0.2, 3), slide("b", "p", "g", 0.6, 1), slide("c", "q", "g", 0.5)]
    (group,) = group_values(slides, "p_below")
    assert group.patients == ["p", "q"]
    np.testing.assert_allclose(group.values, [0.3, 0.5])
    assert group.mean == pytest.approx(0.4)


def test_a_slide_of_nobody_stands_for_itself_and_one_without_group_or_value_is_left_out() -> None:
    slides = [slide("a", "", "g", 0.2), slide("b", "", "g", 0.4), slide("c", "", "", 0.9), slide("d", "p", "g", None)]
    (group,) = group_values(slides, "p_below")
    assert group.patients == ["a", "b"]


def test_one_patient_has_no_interval_and_is_not_compared() -> None:
    groups = group_values(study({"a": [0.1], "b": [0.2, 0.3]}), "p_below")
    assert [group.interval is None for group in groups] == [True, False]
    assert differences(groups) == []


def test_the_p_value_is_that_of_all_permutations() -> None:
    values = {"a": [0.1, 0.4, 0.35, 0.2], "b": [0.5, 0.45, 0.7, 0.3]}
    (pair,) = differences(group_values(study(values), "p_below"))
    pooled = np.array([*values["a"], *values["b"]])
    observed = abs(np.mean(values["a"]) - np.mean(values["b"]))
    chosen = [np.isin(np.arange(8), some) for some in itertools.combinations(range(8), 4)]
    exact = np.mean([abs(pooled[some].mean() - pooled[~some].mean()) >= observed - 1e-12 for some in chosen])
    assert pair.p_value == pytest.approx(exact, abs=0.015)
    assert pair.difference == pytest.approx(np.mean(values["a"]) - np.mean(values["b"]))


def test_the_interval_is_as_wide_as_the_patients_spread() -> None:
    random = np.random.default_rng(0)
    values = {group: random.normal(0.5, 0.1, 40).tolist() for group in "ab"}
    (pair,) = differences(group_values(study(values), "p_below"))
    expected = 2 * 1.96 * np.sqrt(sum(np.var(own, ddof=0) / 40 for own in values.values()))
    assert pair.interval.high - pair.interval.low == pytest.approx(expected, rel=0.1)


def test_alike_groups_are_called_different_as_often_as_the_rate_says() -> None:
    """With twelve slides of each patient, which a test by slide would take for independent."""
    random = np.random.default_rng(1)
    small = 0
    for _ in range(120):
        slides = []
        for number in range(16):
            level = random.normal(0.5, 0.1)
            group = "ab"[number % 2]
            slides += [slide(f"{number}-{k}", f"p{number}", group, level + random.normal(0, 0.01)) for k in range(12)]
        (pair,) = differences(group_values(slides, "p_below"))
        small += pair.p_value <= 0.05
    assert 0 <= small <= 14  # of 120; binomial with 0.05: more than 14 in 1 of 1,000


def test_the_same_study_gives_the_same_numbers() -> None:
    values = {"b": [0.5, 0.45, 0.7], "a": [0.1, 0.4, 0.35]}
    one, other = (differences(group_values(study(values), "p_below")) for _ in range(2))
    assert one == other
