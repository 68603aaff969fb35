"""Figures in tables and captions of the documentation are those of the files that were measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import pytest

from tests.data_paths import REPOSITORY

DOCS, RESULTS = REPOSITORY / "docs", REPOSITORY / "benchmarks/results"
Rows = list[list[str]]
FEATURES = ("vgg19", "densenet121")
COLOURINGS = [(kind, colouring) for kind in ("glas", "lung") for colouring in ("colour", "matched", "grey")]


def measured(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def tables(page: str, heading: str) -> list[Rows]:
    """The rows below each heading that begins like this one; cells without emphasis."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    found = [list(block) for is_table, block in groupby(lines, lambda line: line.startswith("|")) if is_table]
    return [[_cells(line) for line in block[2:]] for block in found if block[0].startswith(heading)]


def _cells(line: str) -> list[str]:
    return [cell.replace("**", "").strip() for cell in line.strip("|\n").split("|")]


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %" if 0 < share < 1 else f"{100 * share:.0f} %"


@pytest.mark.parametrize("features", FEATURES)
def test_the_next_patients_slide(features: str) -> None:
    answers = measured("real-slides")["answers"][features]
    rows = tables("adaptation.md", "| trained on | told from |")[FEATURES.index(features)]
    by_question = {q: {row["way"]: row for row in rows} for q, rows in groupby(answers, lambda row: row["question"])}
    ways = (
        "rule combined",
        "metric, none",
        "metric, auto",
        "metric, 1 anchors",
        "metric, 5 anchors",
        "metric, 10 anchors",
    )
    assert len(rows) == len(by_question) == 9
    for row, found in zip(rows, by_question.values(), strict=True):
        for cell, way in zip(row[2:], ways, strict=True):
            assert cell in _answer(found[way]), (row[:2], way)


def _answer(row: Mapping[str, Any]) -> Iterator[str]:
    """AUROC alone, or with the share of false calls."""
    yield f"{row['auroc']:.3f}"
    if row["false_calls"] is not None:
        yield f"{row['auroc']:.3f} ({percent(row['false_calls'])})"


def test_slides_that_are_mostly_lesion() -> None:
    mixtures = measured("real-slides")["mixtures"]["vgg19"]
    [rows] = tables("adaptation.md", "| anomalous | A: core's spread")
    halves = [list(found) for _, found in groupby(mixtures, lambda row: row["question"])]
    for row, *pair in zip(rows, *halves, strict=True):
        assert row[0] == percent(pair[0]["share"])
        for cells, one in zip((row[1:5], row[5:9]), pair, strict=True):
            areas = ["" if one[key] is None else f"{one[key]:.3f}" for key in ("auto", "slide")]
            assert [cells[0], *cells[2:]] == [f"{one['spread']:.2f}", *areas]
            assert cells[1].startswith(f"{3 * one['adapted']:.0f} of 3" if one["adapted"] else "none")


def captions(picture: str) -> list[str]:
    """What stands below a picture, on all pages that show it."""
    pages = [REPOSITORY / "README.md", *DOCS.rglob("*.md")]
    texts = [page.read_text(encoding="utf-8").partition(f"{picture})")[2] for page in pages]
    return [" ".join(text.split("\n\n")[1].split()) for text in texts if text]


def stated(pattern: str, texts: Sequence[str]) -> set[str]:
    return {figure for text in texts for figure in re.findall(pattern, text)}


def test_captions_of_the_next_patients_picture() -> None:
    answers = measured("real-slides")["answers"]["vgg19"]
    asked = "trained on liver of B: tumor of A against liver of A"
    [found] = [row for row in answers if (row["question"], row["way"]) == (asked, "metric, auto")]
    texts = captions("next-patient.jpg")
    assert stated(r"AUROC (\d\.\d+)", texts) == {f"{found['auroc']:.3f}"}
    assert stated(r"(\d+ %) of the outlined liver", texts) == {percent(found["false_calls"])}


def test_the_demo_on_real_slides() -> None:
    found, page = measured("demo-real"), (DOCS / "tutorials/first-slide.md").read_text(encoding="utf-8")
    texts = captions("demo-real.jpg")
    assert stated(r"AUROC (\d\.\d+)", texts) == {f"{found['auroc']['rule ' + found['rule']]:.3f}"}
    for tissue in ("liver", "sarcoma"):
        share = percent(found[tissue]["called"] / found[tissue]["tiles"])
        assert stated(rf"(\d+ %) of the outlined {tissue}", texts) == {share}
    adapted = ", adapted to the slide"
    for name, area in found["auroc"].items():
        shown = name + adapted * (name == f"rule {found['rule']}")
        assert f"\n  {shown:<39}{area:.3f}\n" in page
    assert f"took {found['processor_seconds']} seconds" in page


def test_numbers_of_a_descriptor() -> None:
    found = {(kind, one["colouring"]): one for kind in ("glas", "lung") for one in measured("descriptors")[kind]}
    [areas] = tables("adaptation.md", "| set | 16 | 32 |")
    [splits] = tables("adaptation.md", "| set | mean | lowest |")
    assert [row[1:] for row in areas] == [[f"{a:.3f}" for a in found[key]["areas"].values()] for key in COLOURINGS]
    assert [row[1:] for row in splits] == [_spread(found[key]["splits"]) for key in COLOURINGS[3:] + COLOURINGS[:3]]


def _spread(splits: Sequence[Mapping[str, Any]]) -> list[str]:
    shares = [one["share"] for one in splits]
    inside = sum(one["promised"] is not None and _lies(one["share"], *one["promised"]) for one in splits)
    figures = [sum(shares) / len(shares), min(shares), max(shares)]
    return [*(f"{value:.3f}" for value in figures), f"{inside} of {len(splits)}"]


def _lies(value: float, low: float, high: float) -> bool:
    return low <= value <= high


@pytest.mark.parametrize("direction", ["B to A", "A to B"])
def test_neighbours(direction: str) -> None:
    rows = tables("adaptation.md", "| radius, µm | AUROC |")[["B to A", "A to B"].index(direction)]
    for row, one in zip(rows, measured("neighbourhood")[direction], strict=True):
        shares = [one["lesion_called"], one["usual_called"]]
        assert row == [
            str(one["radius"]),
            f"{one['auroc']:.3f}",
            f"{one['dice']:.3f}",
            *(percent(share, 1) for share in shares),
            *(percent(share) for share in one["planted_called"].values()),
        ]


def test_rates_of_the_engine() -> None:
    [rows] = tables("performance.md", "| preset | precision | tiles a second |")
    found = measured("engine-cpu")
    for row, uncut, plain in zip(rows, found[::2], found[1::2], strict=True):
        assert row[0].startswith(f"`{uncut['config']}`")
        assert row[1:] == [
            uncut["precision"], f"{plain['tiles_per_second']:.1f}", f"{uncut['ratio']:.1f}", f"{plain['ratio']:.1f}",
            f"{uncut['at_most']:.1f}",
        ]  # fmt: skip


def test_what_score_takes() -> None:
    [rows] = tables("performance.md", "| `haloae-small` | float32, 2 threads |")
    found = measured("score-cpu")
    here, before = found[::2], found[1::2]
    expected = [
        [f"{one['milliseconds_in_all']:.1f}" for one in here],
        [f"{one['of_engine']:.2f}" for one in here],
        [f"{one['milliseconds_in_all']:.1f}, {one['of_engine']:.2f}" for one in before],
        [f"{b['milliseconds_in_all'] / h['milliseconds_in_all']:.2f}" for h, b in zip(here, before, strict=True)],
    ]
    assert [[cell.strip("*") for cell in row[1:]] for row in rows] == expected
    rates = " and ".join(f"{1000 / one['milliseconds_in_all']:.0f}" for one in here[:2])
    assert (
        f"({rates} tiles a second, [measured](docs/performance.md#what-score-takes))"
        in (REPOSITORY / "README.md").read_text()
    )


def test_rates_of_reading() -> None:
    [rows] = tables("performance.md", "| way | liver-sarcoma")
    slides = ("liver-sarcoma", "cmu-1", "hpylori", "tcga")
    found = {
        (one["benchmark"], next(slide for slide in slides if one["slide"].startswith(slide))): one["ratio"]
        for one in measured("read-own-tiles-cpu")
    }
    for row, way in zip(rows, ("read regions", "read to the model", "read into the store"), strict=True):
        assert row[1:] == [f"{found[way, slide]:.1f}" if (way, slide) in found else "" for slide in slides]


def test_a_busy_machine() -> None:
    [rows] = tables("performance.md", "| OMP_WAIT_POLICY |")
    assert [row[1:] for row in rows] == [
        [f"{one['seconds_alone']:.2f} s", f"{one['seconds_beside_others']:.2f} s", f"{one['slowdown']:.1f}"]
        for one in measured("busy-cpu")
    ]


def test_what_bfloat16_costs() -> None:
    [rows] = tables("performance.md", "| tiles | AUROC, default rule |")
    assert rows == [
        [
            f"{name}, {one['tiles']}",
            f"{one['auroc']['float32']['score']:.4f}",
            f"{abs(one['difference_of_score']):.4f}",
            f"{one['largest_difference']:.3f}",
            f"{one['score_moves_by_spreads']:.2f}",
        ]
        for name, one in zip(("GlaS", "lung"), measured("precision-cpu"), strict=True)
    ]


def test_how_time_and_memory_grow() -> None:
    [rows] = tables("performance.md", "| slide | tiles | seconds |")
    expected = {
        f"{one['side']:,} x {one['side']:,}, tiles of {one['tile']}": [
            f"{one['tiles']:,}",
            f"{one['seconds']:.0f}",
            f"{one['milliseconds_per_tile']:.1f}",
            f"{one['memory_megabytes']:,.0f} MB",
        ]
        for one in measured("growth-cpu")
        if one.get("maps") is False  # the whole slide's map has a row of its own
    }
    assert {row[0]: row[1:] for row in rows} == expected


def test_what_limits_the_auto_encoder() -> None:
    found = {
        (row["set"], row["row"]): row["judgement"]
        for row in measured("decoder-study")
        if (row["backbone"], row["seed"]) == ("vgg19", 0)
    }
    steps = ["damped, 125 steps", "cosine loss, damped", *(f"damped, {n} steps" for n in (1000, 2500, 8000))]
    names = [f"damped, code of {width} channels" for width in (8, 16, 64)]
    names = [*names[:2], "cosine loss, damped", names[2], *steps]

    def area(tiles: str, name: str) -> str:
        one = found.get((tiles, name))
        return f"{one['against']['fixed rule']['auroc']:.3f}" if one else "not run"

    def precision(name: str) -> str:
        one = found.get(("metal_nut", name))
        return f"{100 * one['map_precisions']['cosine']:.1f}" if one else "not run"

    [rows] = tables("validation.md", "| set | 8 channels")
    assert [row[1:10] for row in rows] == [
        [area("metal_nut", name) for name in names],
        [precision(name) for name in names],
        [area("glas-colour", name) for name in names],
    ]


def test_every_file_of_results_that_a_page_names_is_there() -> None:
    pages = [REPOSITORY / "README.md", *DOCS.rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"`benchmarks/results/([^`]+)`", page.read_text("utf-8"))}
    named |= set(re.findall(r"\b[a-z-]+\.(?:json|log)\b", (DOCS / "performance.md").read_text("utf-8"))) - {"run.json"}
    planned = {"decoder-study.json"}
    assert not [name for name in named - planned if not list(RESULTS.glob(name))]
