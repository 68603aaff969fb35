"""Before training: how small p-values should get, and how many patients a rate takes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from docs.list_patients import PAGE, with_patient_list
from tests.training.tiles import MemorySource
from wsi_haloae.calibration.planning import ASSUMED, expected
from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.config import SplitConfig, load_config
from wsi_haloae.tiles.sources import CombinedSource
from wsi_haloae.training.outlook import describe_outlook
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.split import split_by_group

SHARES = SplitConfig()


def outlook(patients: int, tiles: int = 100) -> tuple[str, str]:
    names = [f"{patient:04d}" for patient in range(patients) for _ in range(tiles)]
    first, second = describe_outlook(split_by_group(names, SHARES, 0), names, SHARES)
    return first, second


@pytest.mark.parametrize(("patients", "held_back"), [(5, 1), (20, 3), (40, 6), (100, 15)])
def test_the_smallest_p_value_is_that_of_the_split(patients: int, held_back: int) -> None:
    said = outlook(patients)[0]
    assert f"p-values: {held_back} group" in said
    smallest = [expected(np.full(held_back, 100), correlation).smallest_p for correlation in (*ASSUMED, 1.0)]
    if held_back == 1:
        smallest = smallest[1:]  # both assumptions come to the same
    told = [float(number) for number in re.findall(r"0\.\d+", said)]
    assert told == pytest.approx(smallest, rel=0.06)
    assert [reaches(one, TILE_RATE) for one in told] == [reaches(one, TILE_RATE) for one in smallest]


def test_that_many_patients_do_reach_the_rate() -> None:
    few, many = (
        int(number.replace(",", ""))
        for number in re.search(r"error rate of 5% take about (\S+) to (\S+) groups", outlook(5)[1]).groups()
    )
    for patients, correlation in ((few, ASSUMED[0]), (many, ASSUMED[1])):
        names = [f"{patient:04d}" for patient in range(patients) for _ in range(100)]
        held_back = len(split_by_group(names, SHARES, 0).groups["calibration"])
        assert reaches(expected(np.full(held_back, 100), correlation).smallest_p, TILE_RATE)


def test_the_readme_has_the_table_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_patient_list(page), "write it anew: python docs/list_patients.py"


@pytest.mark.parametrize(("preset", "seen"), [("haloae", None), ("haloae-small", "1 µm/px")])
def test_before_training_it_is_said_what_the_model_sees_and_what_p_values_take(preset: str, seen: str | None) -> None:
    source = CombinedSource([MemorySource(40)])
    groups = [str(number // 4) for number in range(40)]
    split = split_by_group(groups, SHARES, 0)
    lines = list(Reference(source, groups, split, None, None, [None] * len(groups)).describe(load_config(preset)))
    assert lines[0] == f"reference tiles: 40 of {source.tile_size} px at {source.mpp:g} µm/px"
    assert any("averages 2 x 2 pixels to one" in line for line in lines) == (seen is not None)
    assert seen is None or f"sees them at {seen}" in lines[1]
    assert [line for line in describe_outlook(split, groups, SHARES) if line in lines] == lines[-3:-1]
