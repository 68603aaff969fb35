"""Before training: how small p-values should get, and how many patients a rate takes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from docs.list_patients import PAGE, with_patient_list
from tests.training.tiles import MemorySource
from wsi_haloae.calibration.planning import ASSUMED, expected
from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.config import SLIDE_BASE, Config, load_config
from wsi_haloae.tiles.sources import CombinedSource
from wsi_haloae.training.outlook import describe_outlook
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.split import split_by_group

DESCRIPTOR, CONTENT, EITHER = (
    load_config([], [f"scoring.rule={rule}"], base=SLIDE_BASE) for rule in ("descriptor", "content", "auto")
)


def outlook(patients: int, config: Config = CONTENT, tiles: int = 100) -> list[str]:
    names = [f"{patient:04d}" for patient in range(patients) for _ in range(tiles)]
    return list(describe_outlook(split_by_group(names, config.split, 0), names, alone(names), config))


def alone(names: list[str]) -> list[str]:
    """Blocks of one tile each."""
    return [str(number) for number in range(len(names))]


def smallest_told(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"0\.\d+", line)]


@pytest.mark.parametrize(("patients", "held_back"), [(5, 1), (20, 3), (40, 6), (100, 15)])
def test_the_smallest_p_value_is_that_of_the_split(patients: int, held_back: int) -> None:
    said = outlook(patients)[0]
    assert f"p-values: {held_back} group" in said
    smallest = [expected(np.full(held_back, 100), correlation).smallest_p for correlation in (*ASSUMED, 1.0)]
    if held_back == 1:
        smallest = smallest[1:]  # both assumptions come to the same
    told = smallest_told(said)
    assert told == pytest.approx(smallest, rel=0.06)
    assert [reaches(one, TILE_RATE) for one in told] == [reaches(one, TILE_RATE) for one in smallest]


def test_all_patients_calibrate_descriptors() -> None:
    said = outlook(20, DESCRIPTOR)
    assert len(said) == 2
    assert said[0].startswith("p-values: 20 groups")
    smallest = [expected(np.full(20, 100), correlation).smallest_p for correlation in (*ASSUMED, 1.0)]
    assert smallest_told(said[0]) == pytest.approx(smallest, rel=0.06)
    assert "split.calibration" not in said[1]


def test_where_training_chooses_both_are_told_and_too_few_tiles_to_choose_by() -> None:
    few, many = outlook(20, EITHER), outlook(40, EITHER)
    assert few[:2] == outlook(20, DESCRIPTOR)
    assert few[2] == f"  if training chooses a rule with the auto-encoder, {outlook(20)[0]}"
    assert few[3] == f"  then, {outlook(20)[1].lstrip()}", "the second answer is to another question"
    assert "300 validation tiles of 3 groups will be too few" in few[4]
    assert "(at least 32 tiles of at least 5 groups are needed)" in few[4]
    assert "descriptor" in few[4]
    assert len(many) == 4


@pytest.mark.parametrize(("tiles", "said"), [(4, True), (40, False)])
def test_a_rule_that_learns_from_few_validation_tiles_is_told(tiles: int, said: bool) -> None:
    combined = load_config([], ["scoring.rule=combined"], base=SLIDE_BASE)
    found = [line for line in outlook(20, combined, tiles) if "combined will learn" in line]
    assert found == (["  combined will learn what is usual from 12 validation tiles, which are few; add tiles"] * said)


def test_that_many_patients_do_reach_the_rate() -> None:
    few, many = (
        int(number.replace(",", ""))
        for number in re.search(
            r"error rate of 5\N{NO-BREAK SPACE}% take about (\S+) to (\S+) groups", outlook(5)[1]
        ).groups()
    )
    for patients, correlation in ((few, ASSUMED[0]), (many, ASSUMED[1])):
        names = [f"{patient:04d}" for patient in range(patients) for _ in range(100)]
        held_back = len(split_by_group(names, CONTENT.split, 0).groups["calibration"])
        assert reaches(expected(np.full(held_back, 100), correlation).smallest_p, TILE_RATE)


def test_the_readme_has_the_table_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_patient_list(page), "write it anew: python docs/list_patients.py"


@pytest.mark.parametrize(("preset", "seen"), [("haloae", None), ("haloae-small", "1 µm/px")])
def test_before_training_it_is_said_what_the_model_sees_and_what_p_values_take(preset: str, seen: str | None) -> None:
    source = CombinedSource([MemorySource(40)])
    groups = [str(number // 4) for number in range(40)]
    config = load_config(preset)
    split = split_by_group(groups, config.split, 0)
    lines = list(Reference(source, groups, split, None, None, [None] * len(groups)).describe(config))
    assert lines[0] == f"reference tiles: 40 of {source.tile_size} px at {source.mpp:g} µm/px"
    assert any("averages 2 x 2 pixels to one" in line for line in lines) == (seen is not None)
    assert seen is None or f"sees them at {seen}" in lines[1]
    told = list(describe_outlook(split, groups, source.blocks, config, "block"))
    assert told == lines[-1 - len(told) : -1]
    assert not any("group" in line for line in lines), "none of these is a patient or a slide"
