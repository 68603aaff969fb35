"""A model with so few calibration tiles that no tile can be called: whatever is written or said gives the same reason.

Real files all the way from training to the viewer. 0 % would read like a finding: such slides may be altogether red.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

import wsi_haloae
from tests.cohort.conftest import here
from tests.export.pages import Page
from tests.integration.conftest import Tiny
from tests.viewer.asking import ask
from wsi_haloae.calibration.reach import why_none
from wsi_haloae.cli.main import run
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.training.calibrate import describe
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.pages import viewer_app

SMALLEST_P = 1 / 19.88
"""0.0503: rounded to two digits it would be the rate that it does not reach."""
SENTENCE = (
    "No tile can be called anomalous at an error rate of 5 %: with so few calibration tiles the smallest possible "
    "p-value is 0.0503."
)
NAMES = ("one", "two")
SHARE_OF_0 = re.compile(r"(?<![\d.,])0(\.0+)? ?%")


@dataclass(frozen=True)
class Study:
    """What the commands left in ``output``, and what they said."""

    output: Path
    facts: Any
    said: Mapping[str, str]


@pytest.fixture(scope="module")
def study(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two patients in two groups: scored, exported again, and judged by outlines."""
    folder = tmp_path_factory.mktemp("none-called")
    model, output = folder / "coarse.safetensors", folder / "out"
    facts = _coarse(tiny.model, model)
    lines = ["path,patient,group"]
    for seed, name in enumerate(NAMES):
        truth = write_synthetic_slide(folder / f"{name}.tif", width=768, height=768, seed=seed)
        truth.write_geojson(folder / f"{name}.geojson")
        lines.append(f"{name}.tif,p{seed},g{seed}")
    (folder / "study.csv").write_text("\n".join(lines))
    said = {
        "score": answer("score", folder / "study.csv", "-m", model, "-o", output, "-n", "1"),
        "export": answer("export", output),
        "status": answer("status", output),
        "evaluate": answer("evaluate", output, "--annotations", folder, "--reference", "Tumor"),
    }
    return Study(output, facts, said)


def answer(*words: str | Path) -> str:
    """What a command says, that does all that it was asked for."""
    said = here(*words)
    assert said.code == 0, said.err
    return said.err + said.out


def _coarse(model: Path, coarse: Path) -> Any:
    """The same model, whose calibration tiles are worth a little less than what would be enough."""
    checkpoint = Checkpoint.load(model)
    assert checkpoint.calibration is not None
    facts = checkpoint.calibration.facts.model_copy(update={"effective_tiles": 18.88})
    calibration = replace(checkpoint.calibration, facts=facts)
    config = checkpoint.facts.config
    fixed = config.model_copy(update={"scoring": config.scoring.model_copy(update={"rule": "combined"})})
    # A rule that does not adapt: adapted scores are calibrated anew.
    replace(checkpoint, calibration=calibration).with_facts(calibration=facts, config=fixed).save(coarse)
    return facts


def plain(words: str | None) -> str:
    """On one line, with plain spaces."""
    return " ".join((words or "").split())


def record(study: Study, name: str) -> Any:
    return json.loads((study.output / name / "run.json").read_text(encoding="utf-8"))


def texts(study: Study) -> dict[str, str]:
    """Everything that people read, by where they read it."""
    output, app = study.output, viewer_app(OpenedSlides(find_scored(study.output, pytest.fail), None))
    pages = {"cohort": "cohort.html", "index": "index.html", "evaluation page": "evaluation/evaluation.html"}
    found = {name: Page(output / path).words for name, path in pages.items()}
    for name in NAMES:
        found[f"report of {name}"] = Page(output / name / "report.html").words
        found[f"log of {name}"] = (output / name / "score.log").read_text(encoding="utf-8")
        found[f"record of {name}"] = record(study, name)["summary"]["why_none"]
        found[f"viewer: {name}"] = ask(app, f"/api/slides/{name}").json()["why_none"]
    return {
        **found,
        **study.said,
        "training": describe(study.facts),
        "list of the viewer": " ".join(one["why_none"] for one in ask(app, "/api/slides").json()["slides"]),
        "notebook": repr(wsi_haloae.open_scored(output / "one")),
        "slides.csv": (output / "slides.csv").read_text(encoding="utf-8"),
        "comparison": json.loads((output / "comparison.json").read_text(encoding="utf-8"))["why_none"],
        "evaluation": " ".join(json.loads((output / "evaluation/evaluation.json").read_text())["warnings"]),
    }


def test_one_sentence_says_it_everywhere(study: Study) -> None:
    assert plain(why_none(SMALLEST_P)) == SENTENCE
    assert [where for where, words in texts(study).items() if SENTENCE not in plain(words)] == []


def test_nowhere_is_there_a_share_of_0(study: Study) -> None:
    for where, words in texts(study).items():
        # A report also counts artefacts, of which there may be none, and an evaluation reference tiles.
        shares = re.split(r"Quality-control flags|False discoveries", plain(words))[0]
        assert not SHARE_OF_0.search(shares), where


def test_files_for_machines_are_empty_and_not_0(study: Study) -> None:
    with (study.output / "slides.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == list(NAMES)
    for row in rows:
        empty = ("anomalous", "anomalous_mm2", "anomalous_share", "p_below", "criterion")
        assert [row[name] for name in empty] == [""] * len(empty)
        assert 0 < float(row["above_display"]) <= 1
    comparison = json.loads((study.output / "comparison.json").read_text(encoding="utf-8"))
    assert comparison["measure"] == "above_display"
    assert [group["mean"] for group in comparison["groups"]] == pytest.approx(
        [float(row["above_display"]) for row in rows], rel=1e-6
    )
    for name in NAMES:
        told = record(study, name)
        for part in (told, told["export"], told["called"]):
            assert part["anomalous"] is None
            assert part["counts"]["anomalous"] is None
            assert [part["summary"][key] for key in ("anomalous_mm2", "anomalous_share", "p_below")] == [None] * 3
        with (study.output / name / "tiles.csv").open(newline="", encoding="utf-8") as stream:
            tiles = list(csv.DictReader(stream))
        assert {(tile["anomalous"], tile["criterion"]) for tile in tiles} == {("", "")}
        assert min(float(tile["p_value"]) for tile in tiles) == pytest.approx(SMALLEST_P)
        assert parquet.read_table(study.output / name / "tiles.parquet")["anomalous"].null_count == len(tiles)
    judged = json.loads((study.output / "evaluation/evaluation.json").read_text())
    assert judged["called"] is None
    assert {one["share_called"] for one in judged["classes"].values()} == {None}
    at_5_percent, *others = judged["discoveries"]
    assert at_5_percent == {"rate": 0.05, "tiles": None, "false_share": None, "found": None}
    assert None not in {one["tiles"] for one in others}


def test_by_a_score_tiles_can_be_called_all_the_same(study: Study) -> None:
    """And the usual criterion, asked again, takes them back."""
    assert run(["export", str(study.output), "--threshold", "-100", "-q"]) == 0
    page = Page(study.output / "cohort.html")
    assert SENTENCE in page.words, "groups are still compared by another measure than p-values"
    assert "100 %" in page.words
    assert SENTENCE not in Page(study.output / "index.html").words
    assert SENTENCE not in answer("status", study.output)
    assert run(["export", str(study.output), "-q"]) == 0
    assert SENTENCE in Page(study.output / "index.html").words


def test_pictures_have_room_for_the_sentence(study: Study) -> None:
    """Nothing is written up to the edge: on the right side of both, a margin is left."""
    for path in (study.output / "one" / "heatmap.png", study.output / "montage.png"):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert (pixels[:, -8:] == 255).all()
        assert (pixels[:110, 48:] < 200).any()
