"""Before training: how small p-values should get, and how many patients a rate takes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from docs.list_patients import PAGE, with_patient_list
from tests.data_paths import REPOSITORY
from tests.training.tiles import MemorySource
from wsi_haloae.calibration.planning import ASSUMED, expected
from wsi_haloae.calibration.reach import TILE_RATE, reaches
from wsi_haloae.calibration.selection import FDR, fine_enough
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


TILE, DISCOVERY = (f"a {words} of {rate}\N{NO-BREAK SPACE}%" for words, rate in (
    ("per-tile error rate", 5), ("false-discovery rate", 10)
))  # fmt: skip


@pytest.mark.parametrize(("patients", "held_back"), [(5, 1), (20, 3), (40, 6), (100, 15), (1000, 150), (3000, 450)])
def test_what_is_told_to_be_possible_is_what_the_split_allows(patients: int, held_back: int) -> None:
    (said,) = outlook(patients)
    smallest = [expected(np.full(held_back, 100), correlation).smallest_p for correlation in ASSUMED]
    by_tile = [reaches(one, TILE_RATE) for one in smallest]
    by_discovery = [fine_enough(one, FDR) for one in smallest]
    assert said.startswith(f"p-values: {held_back} held-back group")
    assert (f"calls at {DISCOVERY}" in said) == all(by_discovery)
    assert (f"calls at {TILE}" in said) == (all(by_tile) and not all(by_discovery))
    assert ("may allow no calls" in said) == (any(by_tile) and not all(by_tile))
    assert ("allows no calls" in said) == (not any(by_tile))


def test_all_patients_calibrate_descriptors() -> None:
    said = f"p-values: 20 groups should allow calls at {TILE}; {DISCOVERY} takes about 109 to 307 groups"
    assert outlook(20, DESCRIPTOR) == [f"{said} (docs/what-a-score-means.md)"]
    assert (REPOSITORY / "docs/what-a-score-means.md").is_file()


def test_where_training_chooses_both_are_told_in_short_lines() -> None:
    first, second = outlook(40, EITHER)
    assert [first] == outlook(40, DESCRIPTOR)
    chosen = f"{second} (docs/what-a-score-means.md)".replace("  with the auto-encoder in the score", "p-values")
    assert [chosen] == outlook(40)
    assert max(map(len, (first, second))) < 180


@pytest.mark.parametrize(
    ("patients", "tiles", "few", "needed"),
    [
        (20, 100, "3 validation groups are", "5"),
        (5, 100, "1 validation group is", "5"),
        (40, 2, "12 validation tiles are", "32"),
        (20, 2, "6 validation tiles and 3 validation groups are", "32 and 5"),
    ],
)
def test_what_is_too_few_to_choose_by_is_told_and_nothing_of_a_choice(
    patients: int, tiles: int, few: str, needed: str
) -> None:
    assert outlook(patients, EITHER, tiles)[1:] == [
        f"  {few} too few to choose a rule by (at least {needed} are needed), so the usual one is used: descriptor"
    ]


@pytest.mark.parametrize(("tiles", "said"), [(4, True), (40, False)])
def test_a_rule_that_learns_from_few_validation_tiles_is_told(tiles: int, said: bool) -> None:
    combined = load_config([], ["scoring.rule=combined"], base=SLIDE_BASE)
    found = [line for line in outlook(20, combined, tiles) if "combined will learn" in line]
    assert found == (["  combined will learn what is usual from 12 validation tiles, which are few; add tiles"] * said)


def test_that_many_patients_do_reach_the_rate() -> None:
    told = re.search(r"error rate of 5\N{NO-BREAK SPACE}% takes about (\S+) to (\S+) groups in all", outlook(5)[0])
    assert told is not None
    few, many = (int(number.replace(",", "")) for number in told.groups())
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
