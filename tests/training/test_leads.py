"""Marks of rules by pairs of tiles of different groups, against a slow count; and when a lead is enough."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsi_haloae.evaluation.interval import Interval
from wsi_haloae.training.leads import FEWEST_GROUPS, FEWEST_TILES, Lead, Marks

KINDS = 2


def scores(random: np.random.Generator, tiles: int, lift: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of usual tiles, and of anomalies that lie ``lift`` higher in one kind and twice as much in the other."""
    return random.normal(size=tiles), [random.normal(size=tiles) + lift * (kind + 1) for kind in range(KINDS)]


def marks_of(rules: dict[str, tuple[np.ndarray, list[np.ndarray]]], groups: np.ndarray) -> Marks:
    usual = {name: one for name, (one, _) in rules.items()}
    return Marks(usual, [{name: kinds[kind] for name, (_, kinds) in rules.items()} for kind in range(KINDS)], groups)


def mark_by_hand(usual: np.ndarray, anomalies: list[np.ndarray], groups: np.ndarray) -> float:
    several = len(set(groups.tolist())) > 1
    areas = []
    for kind in anomalies:
        pairs = [(a, u) for a, u in product(range(len(usual)), repeat=2) if not (several and groups[a] == groups[u])]
        areas.append(np.mean([(kind[a] > usual[u]) + 0.5 * (kind[a] == usual[u]) for a, u in pairs]))
    return float(min(areas))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 1))
def test_marks_are_those_of_pairs_of_two_groups(seed: int, groups: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    names = np.array([str(number) for number in [*range(groups), *random.integers(0, groups, 7)]])
    usual, kinds = scores(random, len(names), 0.5)
    rounded = usual.round(digits), [kind.round(digits) for kind in kinds]  # so that some are equal
    found = marks_of({"a": rounded}, names).marks()
    assert found == pytest.approx({"a": mark_by_hand(*rounded, names)})


def test_a_rule_that_takes_another_group_for_an_anomaly_has_a_low_mark() -> None:
    """Within each group the anomalies lie higher; but one group lies above the other's anomalies."""
    groups = np.repeat(["here", "there"], 20)
    shift = np.repeat([0.0, 10.0], 20)
    usual, kinds = scores(np.random.default_rng(0), 40, 5)
    plain = marks_of({"a": (usual, kinds)}, groups).marks()["a"]
    shifted = marks_of({"a": (usual + shift, [kind + shift for kind in kinds])}, groups).marks()["a"]
    assert plain > 0.99
    assert shifted < 0.6


def test_a_clear_lead_is_enough_and_a_chance_one_is_not() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat([str(number) for number in range(8)], 8)
    rules = {"usual": scores(random, 64, 0.5), "same": scores(random, 64, 0.5), "better": scores(random, 64, 2)}
    leads = marks_of(rules, groups).leads("usual")
    assert leads["better"].enough
    assert not leads["same"].enough
    assert "usual" not in leads
    assert leads["better"].interval.low < leads["better"].lead < leads["better"].interval.high


@pytest.mark.parametrize(
    ("lead", "low", "enough"), [(0.1, 0.01, True), (0.1, -0.01, False), (0.015, 0.01, False), (-0.2, -0.3, False)]
)
def test_a_lead_must_be_large_and_sure(lead: float, low: float, enough: bool) -> None:
    assert Lead(lead, Interval(low, 0.5)).enough is enough


@pytest.mark.parametrize(
    ("tiles", "groups"), [(FEWEST_TILES - 1, FEWEST_GROUPS), (FEWEST_TILES, FEWEST_GROUPS - 1), (64, 1)]
)
def test_few_tiles_or_groups_say_nothing(tiles: int, groups: int) -> None:
    random, names = np.random.default_rng(0), np.array([str(number % groups) for number in range(tiles)])
    rules = {"usual": scores(random, tiles, 0), "better": scores(random, tiles, 9)}
    assert marks_of(rules, names).leads("usual") == {}
    assert marks_of(rules, names).marks()["better"] > 0.9
