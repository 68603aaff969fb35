"""The procedure behind the default rule, on marks that can be worked out by hand."""

from __future__ import annotations

import pytest

from wsi_haloae.training.rule_marks import mark_rules, markdown_rules

FIRST = {"shuffled": {"a": 0.9, "b": 0.8}, "magnified": {"a": 0.3, "b": 0.7}}
SECOND = {"shuffled": {"a": 1.0, "b": 0.8}, "magnified": {"a": 0.5, "b": 0.8}}


def test_a_rule_is_marked_by_what_it_tells_worst() -> None:
    marks = mark_rules([FIRST, SECOND])
    assert [(one.rule, one.mark) for one in marks] == [("b", pytest.approx(0.75)), ("a", pytest.approx(0.4))]
    assert marks[1].by_disturbance == {"shuffled": pytest.approx(0.95), "magnified": pytest.approx(0.4)}


def test_a_rule_that_one_training_lacks_is_left_out() -> None:
    lacking = {name: {"b": areas["b"]} for name, areas in SECOND.items()}
    assert [one.rule for one in mark_rules([FIRST, lacking])] == ["b"]


def test_without_a_training_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mark_rules([])


def test_the_table_has_the_best_first_and_says_what_was_not_used() -> None:
    text = markdown_rules("set", mark_rules([FIRST, SECOND]), 2)
    assert text.index("| b | 0.800 | 0.750 | 0.750 |") < text.index("| a | 0.950 | 0.400 | 0.400 |")
    assert "No real anomaly was used" in text
