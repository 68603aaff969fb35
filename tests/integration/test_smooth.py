"""Smoothed scores as a user asks for them: while scoring, again by ``export``, in a notebook, and judged."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from tests.integration.conftest import Tiny
from tests.integration.test_adapt import marks, opened, zarr_store
from tests.integration.test_export import outputs
from tests.stores.make import complete, edit
from wsi_haloae import open_scored, score
from wsi_haloae.adaptation.neighbourhood import have_neighbours, local_median
from wsi_haloae.cli.main import run
from wsi_haloae.model.checkpoint import Checkpoint

STRIDE = 32
RADIUS = 3 * STRIDE
WORDS = "smoothed: the median of all tiles within 96 µm"


@pytest.fixture
def out(adapted_slides: Path, tmp_path: Path) -> Path:
    return shutil.copytree(adapted_slides, tmp_path / "out")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_export_smooths_and_takes_it_back(out: Path) -> None:
    before, store = outputs(out), opened(out)
    single, level = store.read("score"), store.adapted.record
    assert run(["export", str(out), "--smooth", str(RADIUS), "-q"]) == 0
    smooth = opened(out)
    assert smooth.adapted.record == level.model_copy(
        update={
            "radius": RADIUS,
            "display_range": smooth.adapted.record.display_range,
            "calibration": smooth.adapted.record.calibration,
        }
    ), "the level stays"
    expected = local_median(single, store.positions(), RADIUS)
    np.testing.assert_array_equal(smooth.read("score"), expected)
    assert smooth.adapted.record.display_range[1] < level.display_range[1]
    record = json.loads((out / "tiny/run.json").read_text())
    assert record["adaptation"]["radius"] == RADIUS
    assert WORDS in record["model"]["rule"]
    assert WORDS in unescape((out / "tiny/report.html").read_text())
    assert run(["export", str(out), "--smooth", "0", "-q"]) == 0
    assert outputs(out) == before


def test_level_and_radius_are_kept_unless_they_are_named(out: Path, tmp_path: Path) -> None:
    file = marks(tmp_path / "tiny.geojson", opened(out))
    asked = []
    for more in (["--smooth", "96"], ["--anchors", str(file)], ["--smooth", "64"], ["--adapt", "none"], []):
        assert run(["export", str(out), *more, "--format", "csv", "-q"]) == 0
        record = opened(out).adapted.record
        asked.append((record.mode, record.anchors, record.radius))
    level, marked = asked[0][0], ("anchors", (10, 20, 30))
    assert asked == [(level, (), 96), (*marked, 96), (*marked, 64), ("none", (), 64), ("none", (), 64)]


def test_score_smooths_as_export_does(tiny: Tiny, adapting_model: Path, out: Path, tmp_path: Path) -> None:
    command = ["score", str(tiny.slide), "-m", str(adapting_model), "-o", str(tmp_path / "again"), "-q"]
    assert run([*command, "--smooth", str(RADIUS)]) == 0
    assert run(["export", str(out), "--smooth", str(RADIUS), "-q"]) == 0
    np.testing.assert_array_equal(opened(tmp_path / "again").read("p_value"), opened(out).read("p_value"))
    assert opened(tmp_path / "again").adapted.record == opened(out).adapted.record
    assert run(command) == 0, "it is scored already"
    assert opened(tmp_path / "again").radius == RADIUS


def test_training_keeps_the_places_of_its_tiles(adapting_model: Path) -> None:
    known = Checkpoint.load(adapting_model).descriptors.reference
    positions = np.concatenate([fold.positions for fold in known.held_out])
    assert have_neighbours(positions, STRIDE)
    steps = positions[:, 1:] / STRIDE
    np.testing.assert_allclose(steps % 1, 0.5, atol=0.01)


@pytest.mark.parametrize("radius", ["31", "1001", "nan", "inf"])
def test_a_radius_without_neighbours_is_refused(
    radius: str, tiny: Tiny, adapting_model: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs(out)
    assert run(["export", str(out), "--smooth", radius]) != 0
    assert f"--smooth {radius} was given, but the tiles of tiny.tif lie 32 µm apart" in told(capsys)
    assert outputs(out) == before
    command = ["score", str(tiny.slide), "-m", str(adapting_model), "-o", str(tmp_path / "again")]
    assert run([*command, "--smooth", radius]) == 2
    assert "lie 32 µm apart" in told(capsys)
    assert not list((tmp_path / "again").rglob("scores.zarr")), "told before a tile is scored"


def test_a_slide_that_is_scored_otherwise_is_told(
    tiny: Tiny, adapting_model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", str(tiny.slide), "-m", str(adapting_model), "-o", str(out), "--smooth"]
    assert run([*command, "0"]) == 0
    assert run([*command, "96"]) == 2
    assert "scored already, with --adapt auto --smooth 0, or other anchors" in told(capsys)


def test_a_model_without_descriptors_cannot_smooth(
    tiny: Tiny, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.safetensors"
    replace(Checkpoint.load(tiny.model), descriptors=None).save(old)
    assert run(["score", str(tiny.slide), "-o", str(tmp_path / "again"), "-m", str(old), "--smooth", "96"]) == 2
    assert "neither adapted nor smoothed" in told(capsys)
    store = out / "tiny/scores.zarr"
    edit(store, lambda attributes: attributes["header"].update(descriptor_size=None))
    shutil.rmtree(store / "descriptor")
    shutil.rmtree(store / "adapted")
    complete(store)
    assert run(["export", str(out), "--smooth", "96"]) != 0
    assert "neither adapted nor smoothed" in told(capsys)
    assert run(["export", str(out), "--smooth", "0", "--format", "csv", "-q"]) == 0


def test_a_notebook_smooths_too(tiny: Tiny, adapting_model: Path, out: Path, tmp_path: Path) -> None:
    slide = open_scored(out / "tiny")
    marked = slide.adapt("anchors", marks(tmp_path / "tiny.geojson", slide.store))
    smooth = marked.adapt(smooth=RADIUS)
    assert smooth.store.adapted.record.anchors == marked.store.adapted.record.anchors != ()
    assert smooth.store.radius == RADIUS
    assert smooth.adapt().store.adapted.record.asked == "auto"
    assert smooth.adapt(smooth=0).store.radius is None
    whole = score(tiny.slide, adapting_model, tmp_path / "again", smooth=RADIUS, quiet=True)
    assert whole.store.radius == RADIUS


def test_evaluate_judges_smoothed_scores_and_mixes_none(
    tiny: Tiny, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zarr_store(out) as attributes:  # as of a slide that was not trained on
        attributes["header"]["trained_on"] = None
    command = ["evaluate", str(out), "--annotations", str(tiny.truth), "--reference", "Tumor"]
    found = []
    for radius in ("0", "96"):
        assert run(["export", str(out), "--smooth", radius, "--format", "csv", "-q"]) == 0
        assert run([*command, "-o", str(tmp_path / radius)]) == 0
        found.append({name: rule["auroc"] for name, rule in rules(tmp_path / radius).items()})
    assert found[0]["score"] != found[1]["score"]
    del found[0]["score"], found[1]["score"]
    assert found[0] == found[1], "rules are not smoothed"
    shutil.copytree(out / "tiny", out / "other")
    assert run(["export", str(out / "other"), "--smooth", "0", "--format", "csv", "-q"]) == 0
    capsys.readouterr()
    assert run([*command, "-o", str(tmp_path / "both")]) == 2
    assert "stride 64, smoothed over 96 µm" in told(capsys)


def rules(folder: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((folder / "evaluation.json").read_text())["rules"]
    return found
