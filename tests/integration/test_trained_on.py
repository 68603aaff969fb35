"""A model scores the slide that it was trained on, and every output says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.export.pages import Page
from tests.integration.conftest import TINY, Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.known import known_tiles


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A slide that the model has not seen, and its outlines."""
    folder = tmp_path_factory.mktemp("new")
    write_synthetic_slide(folder / "new.tif", width=1024, height=1024, seed=9).write_geojson(folder / "new.geojson")
    return folder / "new.tif", folder / "new.geojson"


@pytest.fixture(scope="module")
def output(tiny: Tiny, new: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("scored")
    assert run(["score", str(tiny.slide), str(new[0]), "-m", str(tiny.model), "-o", str(output), "-n", "1", "-q"]) == 0
    return output


def test_the_store_knows_the_tiles_of_the_training(tiny: Tiny, output: Path) -> None:
    trained, scored = (
        TileStore.open(tiny.model.parent / "model.training/tiles/tiny/tiles.zarr"),
        ScoreStore.open(output / "tiny/scores.zarr"),
    )
    used = trained.index.select(trained.states() == TileState.DONE)
    use = scored.header.trained_on
    assert use is not None
    found = known_tiles(use, scored.header.grid, scored.index)
    places = {tuple(place) for place in scored.index.location[found > 0].tolist()}
    assert places == {tuple(place) for place in used.location.tolist()}
    assert sum(use.slide.values()) == len(used)
    assert use.slide == Checkpoint.load(tiny.model).facts.training["tiles"]


def test_every_output_says_so(output: Path) -> None:
    parts = "train, validation, calibration"
    told = json.loads((output / "tiny/run.json").read_text())["trained_on"]
    assert tuple(told["slide"]) == ("train", "validation", "calibration")
    assert json.loads((output / "new/run.json").read_text())["trained_on"] == {"slide": {}, "patient": None}
    rows = {row["name"]: row for row in csv.DictReader((output / "slides.csv").read_text().splitlines())}
    assert (rows["tiny"]["slide_used_in"], rows["new"]["slide_used_in"]) == (parts, "no")
    report = Page(output / "tiny/report.html")
    assert "Training used tiles of this slide" in report.words
    assert f"used in training slide: {parts}; patient: not known" in report.words
    assert "Training used" not in Page(output / "new/report.html").words
    assert f"used in training: slide: {parts}; patient: not known" in Page(output / "index.html").words
    study = Page(output / "cohort.html")
    assert "not those of new slides: tiny." in study.words
    for page in (report, study):
        page.assert_self_contained()


def test_it_is_not_judged_by_what_it_was_trained_on(
    tiny: Tiny, new: tuple[Path, Path], output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its training took all tumour of this slide, so there is no reference tile left to compare with."""
    command = ["evaluate", str(output), "--reference", "Tumor"]
    assert run([*command, "--annotations", str(tiny.truth.parent)]) == 2
    assert "they overlap tiles that training used" in " ".join(capsys.readouterr().err.split())
    for outlines in (tiny.truth, new[1]):
        (tmp_path / outlines.name).write_bytes(outlines.read_bytes())
    assert run([*command, "--annotations", str(tmp_path), "-q"]) == 0
    found = json.loads((output / "evaluation/evaluation.json").read_text())
    assert set(found["left_out"]) == {"train", "validation", "calibration"}
    assert found["slides"] == ["new", "tiny"]
    assert found["held_out"]["slides"] == ["new"]
    assert found["held_out"]["classes"]["Tumor"] == found["classes"]["Tumor"]


def test_a_patient_who_is_named_later_is_known_then(tiny: Tiny, new: tuple[Path, Path], tmp_path: Path) -> None:
    """Training with a manifest; the slide is scored without one first."""
    manifest = tmp_path / "train.csv"
    manifest.write_text(f"path,patient\n{tiny.slide},Jane Doe\n")
    model = tmp_path / "m.safetensors"
    command = ["train-tiles", str(tiny.slide), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    assert run([*command, "--manifest", str(manifest), "--tile-size", "64", *TINY, "-q"]) == 0
    assert b"Jane" not in model.read_bytes()
    score = ["score", "-m", str(model), "-o", str(tmp_path / "out"), "-q"]
    assert run([*score, str(new[0])]) == 0
    folder = tmp_path / "out/new"
    before = ScoreStore.open(folder / "scores.zarr").read("score")
    assert json.loads((folder / "run.json").read_text())["trained_on"]["patient"] is None
    (tmp_path / "study.csv").write_text(f"path,patient\n{new[0]},Jane Doe\n")
    assert run([*score, str(tmp_path / "study.csv")]) == 0
    store = ScoreStore.open(folder / "scores.zarr")
    assert store.header.trained_on is not None
    assert store.header.trained_on.patient == ("train", "validation", "calibration")
    np.testing.assert_array_equal(store.read("score"), before)
    assert "another slide of this patient" in Page(folder / "report.html").words
    made = (folder / "run.json").stat().st_mtime_ns
    for again in (str(tmp_path / "study.csv"), str(new[0])):
        assert run([*score, again]) == 0
        assert (folder / "run.json").stat().st_mtime_ns == made, "nothing to do, and nothing is forgotten"
