"""Benchmarks over time: what got worse is named, and nothing else."""

from __future__ import annotations

import json

from benchmarks.history import BY_HAND, by_hand, by_what, regressions, rows_of, table


def row(commit: str, benchmark: str = "engine", **figures: object) -> dict[str, object]:
    return {"benchmark": benchmark, "config": "haloae", "machine": "a", "commit": commit, **figures}


def test_a_ratio_that_got_worse_by_more_than_a_tenth_is_named() -> None:
    rows = [
        row("one", ratio=2.0), row("two", ratio=1.7), row("one", ratio=9, precision="bfloat16"),
        row("one", "end to end", ratio=1.0), row("two", "end to end", ratio=1.3),
    ]  # fmt: skip
    found = by_what(iter(rows))
    assert regressions(found) == [
        "end to end: ratio, haloae (a): 1 at one, 1.3 at two, 30 % worse",
        "engine: ratio, haloae (a): 2 at one, 1.7 at two, 15 % worse",
    ]
    assert "| engine: ratio, haloae (a) | one: 2, two: 1.7 |" in table(found)


def test_small_changes_better_ratios_other_machines_and_times_are_not() -> None:
    rows = [
        row("one", ratio=2.0), row("two", ratio=1.9), row("three", ratio=3.0),
        row("four", ratio=1.0) | {"machine": "b"},
        row("one", "score", seconds=1, of_engine=0.8), row("two", "score", seconds=9, of_engine=0.8),
        row("one", "versions", ratio={"clock": 1.0}), row("two", "versions", ratio={"clock": 2.0}),
    ]  # fmt: skip
    assert regressions(by_what(iter(rows))) == []


def test_results_are_read_in_each_of_their_forms() -> None:
    one, other = row("one", ratio=2.0), row("two", ratio=1.7)
    assert rows_of(json.dumps([one, other])) == [one, other]
    assert rows_of(json.dumps(one)) == [one]
    assert rows_of(f"a warning\n{json.dumps(one)}\n{json.dumps(other)}\n") == [one, other]


def test_what_people_wrote_below_the_table_stays() -> None:
    written = f"{table({})}\n{BY_HAND}\n\nA figure.\n"
    assert table({}) + by_hand(written) == written
    assert by_hand(table({})) == ""
