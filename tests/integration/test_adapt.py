"""Adaptation as a user asks for it: while scoring, and again by ``export`` in seconds, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from tests.data_paths import REPOSITORY
from tests.integration.conftest import Tiny
from tests.integration.test_export import ALONE, outputs
from wsi_haloae import open_scored, score
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.cli.main import run
from wsi_haloae.config import map_words
from wsi_haloae.errors import UsageError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.seal import Seal
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.training.calibrate import as_reports_show, describe
from wsi_haloae.viewer.pixel_map import PixelMapPicture


@pytest.fixture
def out(adapted_slides: Path, tmp_path: Path) -> Path:
    return shutil.copytree(adapted_slides, tmp_path / "out")


def opened(out: Path) -> ScoreStore:
    return ScoreStore.open(out / "tiny/scores.zarr")


def words_of(out: Path) -> str:
    return " ".join(unescape((out / "tiny/report.html").read_text()).split())


def marks(path: Path, store: ScoreStore, *, points: bool = True) -> Path:
    """Three tiles of the slide, marked as a person in QuPath would mark them."""
    corners, sizes = store.index.location[10:40:10], store.index.size[10:40:10]
    features = []
    for (x, y), (width, height) in zip(corners.tolist(), sizes.tolist(), strict=True):
        point = {"type": "Point", "coordinates": [x + width / 2, y + height / 2]}
        ring = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
        geometry = point if points else {"type": "Polygon", "coordinates": [ring]}
        properties = {"objectType": "annotation", "classification": {"name": "Reference"}}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_score_adapts_and_every_file_has_the_adapted_scores(adapted_slides: Path) -> None:
    store, record = opened(adapted_slides), json.loads((adapted_slides / "tiny/run.json").read_text())
    assert store.adapted is not None
    assert record["adaptation"] == store.adapted.record.model_dump(mode="json")
    assert record["adaptation"]["asked"] == "auto"
    assert store.adapted.record.words in unescape((adapted_slides / "tiny/report.html").read_text())
    assert record["model"]["display_range"] == list(store.adapted.record.display_range)
    table = (adapted_slides / "tiny/tiles.csv").read_text().splitlines()
    column = table[0].split(",").index("score")
    found = [float(line.split(",")[column]) for line in table[1:]]
    np.testing.assert_allclose(found, store.read("score"), rtol=1e-4)


def test_training_told_the_figures_of_the_report(adapting_model: Path, adapted_slides: Path) -> None:
    checkpoint, adapted = Checkpoint.load(adapting_model), opened(adapted_slides).adapted
    assert checkpoint.calibration is not None
    assert adapted is not None
    shown, seen = as_reports_show(checkpoint, checkpoint.calibration)
    assert shown.facts == adapted.record.calibration
    assert "blocks, adapted to their own slides, worth" in describe(shown.facts, seen, "block")
    report = usual_scores(shown.quantiles(256), "adapted as this slide is")
    assert " ".join(report.split()) in words_of(adapted_slides)


@pytest.mark.parametrize("points", [True, False])
def test_export_adapts_again_without_torch(out: Path, tmp_path: Path, *, points: bool) -> None:
    before, file = opened(out).read("score"), marks(tmp_path / "tiny.geojson", opened(out), points=points)
    command = [sys.executable, "-c", ALONE, "export", str(out), "--anchors", str(file), "-q"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    code, slow = json.loads(done.stdout)
    assert code == 0, done.stderr
    assert "torch" not in slow
    after = opened(out)
    assert after.adapted.record.mode == "anchors"
    assert after.adapted.record.anchors == (10, 20, 30)
    assert not np.array_equal(after.read("score"), before)
    assert json.loads((out / "tiny/run.json").read_text())["adaptation"]["anchors"] == [10, 20, 30]
    assert "3 marked reference tiles" in (out / "tiny/report.html").read_text()


def test_there_and_back_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    before, file = outputs(out), marks(tmp_path / "tiny.geojson", opened(out))
    assert run(["export", str(out), "--anchors", str(file), "-q"]) == 0
    assert outputs(out)["tiny/tiles.csv"] != before["tiny/tiles.csv"]
    assert run(["export", str(out), "--adapt", "auto", "-q"]) == 0
    assert outputs(out) == before


def test_the_mean_of_each_map_of_the_gallery_is_the_shown_score(adapted_slides: Path) -> None:
    """To what half precision leaves of a descriptor: 1 % here; see the bound in tests/scoring/test_cell_shares.py."""
    store = opened(adapted_slides)
    assert store.adapted.record.mode == "slide"
    gallery, cells = store.gallery(), store.read("tissue_cells")
    means = gallery.maps.sum(axis=(1, 2)) / np.where(cells, cells, gallery.maps[0].size)[gallery.number]
    np.testing.assert_allclose(means, store.read("score")[gallery.number], rtol=0.01)
    unadapted = store.adapted_to(None).read("score")[gallery.number]
    assert np.abs(means / unadapted - 1).max() > 0.1
    assert gallery.maps_show(store.read("score")) == "score"
    assert map_words("descriptor", "score") in words_of(adapted_slides)
    widened, own = store.shown.model.map_range, store.header.model.map_range
    assert widened == tuple(end * store.adapted.record.widening for end in own)
    assert f"anomaly map (its mean over tissue is the score): {widened[0]:.3g}" in words_of(adapted_slides)
    assert "widened as the range of the scores is by the adaptation" in words_of(adapted_slides)


def test_the_page_says_so_if_its_maps_are_of_another_adaptation(out: Path) -> None:
    assert run(["export", str(out), "--adapt", "none", "-q"]) == 0
    assert map_words("descriptor", "other score") in words_of(out)
    assert run(["export", str(out), "--adapt", "auto", "-q"]) == 0
    assert map_words("descriptor", "score") in words_of(out)


def test_kept_maps_stay_those_of_the_unadapted_score(tiny: Tiny, adapting_model: Path, tmp_path: Path) -> None:
    command = ["score", str(tiny.slide), "-m", str(adapting_model), "-o", str(tmp_path), "--maps", "-q"]
    assert run(command) == 0
    store = opened(tmp_path)
    maps, cells = store.anomaly_maps(slice(None)), store.read("tissue_cells")
    plain = store.adapted_to(None)
    means = maps.sum(axis=(1, 2)) / np.where(cells, cells, maps[0].size)
    np.testing.assert_allclose(means, plain.read("score"), rtol=1e-3)
    assert (plain.kept_maps_show, store.kept_maps_show) == ("score", "unadapted score")
    record = store.adapted.record.model_copy(update={"mode": "none", "radius": 150.0})
    assert store.adapted_to(replace(store.adapted, record=record)).kept_maps_show == "unadapted score"
    assert maps.min() < 0
    whole = open_scored(tmp_path / "tiny").pixel_map()
    assert float(whole.min()) < 0, "negative cells are kept"
    assert PixelMapPicture(store, None).scale.low == store.header.model.map_range[0] < 0
    gallery = store.gallery()
    assert not np.allclose(gallery.maps, maps[gallery.number], rtol=0.05), "these are adapted"
    assert gallery.maps_show(store.read("score")) == "score"


def test_none_is_the_models_own_score(out: Path) -> None:
    """Descriptors are rounded to half precision; scores lose no more than that."""
    assert run(["export", str(out), "--adapt", "none", "--format", "csv", "-q"]) == 0
    store = opened(out)
    done = store.states() == TileState.DONE
    raw = store.scores().rules[done, store.header.rules.index("descriptor")]
    np.testing.assert_allclose(store.read("score")[done], raw, rtol=0.02)


def test_anchors_of_a_study_come_from_its_manifest(
    tiny: Tiny, adapting_model: Path, adapted_slides: Path, tmp_path: Path
) -> None:
    marks(tmp_path / "marked.geojson", opened(adapted_slides))
    (tmp_path / "study.csv").write_text(f"path,anchors\n{tiny.slide},marked.geojson\n")
    assert (
        run(["score", str(tmp_path / "study.csv"), "-m", str(adapting_model), "-o", str(tmp_path / "out"), "-q"]) == 0
    )
    assert opened(tmp_path / "out").adapted.record.anchors == (10, 20, 30)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--adapt", "anchors"], "--adapt anchors needs --anchors"),
        (["--adapt", "slide", "--anchors"], "ignores anchors"),
        (["--anchors"], "marks no scored tile"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    more: list[str], words: str, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs(out)
    if more[-1] == "--anchors":
        (tmp_path / "marks.geojson").write_text('{"type": "FeatureCollection", "features": []}')
        more = [*more, str(tmp_path / "marks.geojson")]
    assert run(["export", str(out), *more]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert outputs(out) == before


def test_mistakes_are_told_before_a_tile_is_scored(
    tiny: Tiny, adapting_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing, old = tmp_path / "nothing.geojson", tmp_path / "old.safetensors"
    nothing.write_text('{"type": "FeatureCollection", "features": []}')
    command = ["score", str(tiny.slide), "-o", str(tmp_path / "out")]
    assert run([*command, "-m", str(adapting_model), "--anchors", str(nothing)]) == 2
    assert "marks no scored tile" in " ".join(capsys.readouterr().err.split())
    replace(Checkpoint.load(tiny.model), descriptors=None).save(old)
    assert run([*command, "-m", str(old), "--adapt", "slide"]) == 2
    assert "neither adapted nor smoothed" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "out").rglob("scores.zarr"))


def test_a_finished_slide_is_adapted_again_by_export(
    tiny: Tiny, adapting_model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", str(tiny.slide), "-m", str(adapting_model), "-o", str(out)]
    assert run([*command, "--adapt", "none"]) == 2
    assert "'wsi-haloae export" in " ".join(capsys.readouterr().err.split())
    assert run([*command, "--adapt", "auto"]) == 0
    file = str(marks(out / "marked.geojson", opened(out)))
    assert run([*command, "--anchors", file]) == 2
    assert run(["export", str(out), "--anchors", file, "-q"]) == 0
    capsys.readouterr()
    assert run([*command, "--anchors", file]) == 0
    assert "nothing to do" in capsys.readouterr().err


def test_a_notebook_adapts_too(tiny: Tiny, adapting_model: Path, out: Path, tmp_path: Path) -> None:
    file = marks(tmp_path / "tiny.geojson", opened(out))
    slide = open_scored(out / "tiny")
    before = slide.table()["score"]
    marked = slide.adapt("anchors", file)
    assert marked.store.adapted.record.anchors == (10, 20, 30)
    assert not marked.table()["score"].equals(before)
    with pytest.raises(UsageError, match="needs --anchors"):
        marked.adapt("anchors")
    whole = score(tiny.slide, adapting_model, tmp_path / "again", anchors=file, quiet=True)
    np.testing.assert_array_equal(whole.store.read("score"), marked.store.read("score"))


def test_evaluate_leaves_anchors_out_and_says_so(
    tiny: Tiny, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zarr_store(out) as attributes:  # as of a slide that was not trained on
        attributes["header"]["trained_on"] = None
    command = ["evaluate", str(out), "--annotations", str(tiny.truth), "--reference", "Tumor"]
    assert run([*command, "-o", str(tmp_path / "before")]) == 0
    assert "--anchors" not in capsys.readouterr().err
    assert run(["export", str(out), "--anchors", str(marks(tmp_path / "tiny.geojson", opened(out))), "-q"]) == 0
    assert run([*command, "-o", str(tmp_path / "after")]) == 0
    assert "3 tiles marked as reference tissue" in " ".join(capsys.readouterr().err.split())
    judged = [
        sum(one["tiles"] for one in json.loads((tmp_path / name / "evaluation.json").read_text())["classes"].values())
        for name in ("before", "after")
    ]
    assert 0 < judged[0] - judged[1] <= 3


@contextmanager
def zarr_store(out: Path) -> Iterator[dict[str, Any]]:
    path = out / "tiny/scores.zarr/zarr.json"
    seal = Seal.read(path.read_bytes())
    attributes = deepcopy(dict(seal.attributes))
    yield attributes
    path.write_bytes(Seal.make(attributes, seal.contents).raw)


def test_descriptors_are_what_other_tools_cluster_by(out: Path) -> None:
    assert run(["export", str(out), "--format", "anndata", "-q"]) == 0
    table, store = anndata.read_h5ad(out / "tiny/tiles.h5ad"), opened(out)
    np.testing.assert_array_equal(table.X, store.descriptors().astype(np.float32))
    assert table.uns["rules"].tolist() == ["paper", *store.header.rules]
