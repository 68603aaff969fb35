"""Splitting reference tiles by group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.config import SplitConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.provenance.parts import PARTS
from wsi_haloae.training.split import split_by_group

SHARES = SplitConfig()


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=120),
    st.integers(0, 50),
    st.sampled_from([SHARES, SplitConfig(validation=0.3, calibration=0.1)]),
)
def test_every_tile_is_in_one_part_and_every_group_too(numbers: list[int], seed: int, shares: SplitConfig) -> None:
    groups = [f"g{number}" for number in numbers]
    try:
        split = split_by_group(groups, shares, seed)
    except UsageError:
        largest = max(groups.count(group) for group in groups)
        assert len(set(groups)) < 3 or largest > 0.25 * len(groups), "many small groups can always be split"
        return
    assert sorted(np.concatenate([split.tiles[part] for part in PARTS]).tolist()) == list(range(len(groups)))
    members = [set(split.groups[part]) for part in PARTS]
    assert sum(len(m) for m in members) == len(set(groups))
    for part, own in zip(PARTS, members, strict=True):
        assert own == {groups[number] for number in split.tiles[part]}
        assert split.tiles[part].tolist() == sorted(split.tiles[part].tolist())
        assert own
    largest = max(groups.count(group) for group in groups)
    for part, share in (("validation", shares.validation), ("calibration", shares.calibration)):
        assert len(split.tiles[part]) < share * len(groups) + 2 * largest  # the second group may exceed the share


def test_shares_are_met_to_one_group() -> None:
    split = split_by_group([f"g{number // 2}" for number in range(200)], SHARES, 0)
    assert [len(split.tiles[part]) for part in PARTS] == [140, 30, 30]
    assert (
        split.describe()
        == "train 140 tiles of 70 groups, validation 30 tiles of 15 groups, calibration 30 tiles of 15 groups"
    )


def test_the_seed_alone_decides() -> None:
    groups = [f"g{number}" for number in range(40)]
    first, again, other = (split_by_group(groups, SHARES, seed).groups for seed in (1, 1, 2))
    assert first == again != other
    reordered = split_by_group(groups[::-1], SHARES, 1).groups
    assert reordered == first, "the order of the tiles is no part of the seed"


def test_parts_of_a_manifest_are_kept() -> None:
    groups = [f"g{number}" for number in range(20)]
    split = split_by_group(groups, SHARES, 0, {"g3": "validation", "g5": "train"})
    assert split.groups["validation"] == ("g3",)
    assert "g5" in split.groups["train"]
    assert len(split.groups["calibration"]) == 3


def test_rows_of_a_manifest_for_other_tiles_do_not_count() -> None:
    groups = [f"g{number}" for number in range(20)]
    split = split_by_group(groups, SHARES, 0, {"elsewhere": "validation"})
    assert len(split.groups["validation"]) == 3


@pytest.mark.parametrize("groups", [["a"], ["a", "b", "a"], ["a"] * 99 + ["b"]])
def test_too_few_groups_are_told(groups: list[str]) -> None:
    with pytest.raises(UsageError, match="--group-regex"):
        split_by_group(groups, SHARES, 0)


def test_an_unknown_part_is_told() -> None:
    with pytest.raises(UsageError, match=r"'test' was given.*train, validation, calibration"):
        split_by_group(["a", "b", "c"], SHARES, 0, {"a": "test"})


def test_one_huge_group_is_trained_on_and_never_held_out() -> None:
    groups = ["huge"] * 150 + [name for name in "abcdef" for _ in range(20)]
    for seed in range(20):
        split = split_by_group(groups, SplitConfig(), seed)
        assert "huge" in split.groups["train"]
        assert 20 <= len(split.tiles["validation"]) <= 60


@pytest.mark.parametrize("seed", range(20))
def test_huge_patients_train_wherever_small_ones_can_be_held_out(seed: int) -> None:
    sizes = {"a": 120, "b": 120, "c": 24, "d": 4, "e": 2, "f": 2, "g": 2}
    groups = [name for name, count in sizes.items() for _ in range(count)]
    split = split_by_group(groups, SplitConfig(), seed)
    assert {"a", "b"} <= set(split.groups["train"])


@pytest.mark.parametrize(("patients", "held_out"), [(5, 1), (8, 2), (10, 2), (20, 3)])
def test_each_part_that_is_held_out_has_two_patients_as_long_as_half_of_them_train(
    patients: int, held_out: int
) -> None:
    """One patient does not show how patients differ."""
    groups = [f"g{number // 50}" for number in range(50 * patients)]
    for seed in range(5):
        split = split_by_group(groups, SHARES, seed)
        assert [len(split.groups[part]) for part in ("validation", "calibration")] == [held_out, held_out]
