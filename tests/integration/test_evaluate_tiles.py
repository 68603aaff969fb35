"""``evaluate-tiles`` as a user runs it: a trained model on tiles cut from a slide that it has not seen."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.export.pages import Page
from tests.integration.conftest import TINY, Tiny
from tests.integration.test_train_tiles import write_images
from tests.training.tiles import MemorySource
from wsi_haloae.calibration.selection import at_discovery_rate
from wsi_haloae.cli.main import run
from wsi_haloae.evaluation.cluster_bootstrap import ClusterBootstrap
from wsi_haloae.evaluation.discoveries import RATES
from wsi_haloae.evaluation.tile_labels import label_tiles
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.compute import Compute
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.stain_matching import stain_target
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stain.density import change_stains
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.sources import ImageFolderSource
from wsi_haloae.workspace.lock import locked

SIDE, TILE, BLOCK = 1536, 64, 256
MOST = 60
"""Tiles of a class, so that a run takes seconds."""


@dataclass(frozen=True)
class Cut:
    """Folders of tiles: tumour, stroma, dyed (stroma in red), and ``fit``, other tumour tiles."""

    root: Path

    def command(self, model: Path, *more: object, classes: tuple[str, ...] = ("stroma", "dyed")) -> list[str]:
        anomalous = [word for name in classes for word in ("--anomalous-dir", str(self.root / name))]
        folders = ["--reference-dir", str(self.root / "tumour"), *anomalous]
        return ["evaluate-tiles", str(model), *folders, "--threads", "1", "-q", *map(str, more)]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Cut:
    """Each file is named after its block of 4 x 4 tiles, the group."""
    root = tmp_path_factory.mktemp("cut")
    truth = write_synthetic_slide(root / "slide.tif", width=SIDE, height=SIDE, seed=8)
    corners = np.stack(np.meshgrid(np.arange(0, SIDE, TILE), np.arange(0, SIDE, TILE)), axis=-1).reshape(-1, 2)
    tissue = {name: truth.polygons[name] for name in ("Tumor", "Stroma")}
    classes = label_tiles(tissue, corners, np.full_like(corners, TILE), 0.9)
    with closing(open_slide(root / "slide.tif")) as slide:
        for folder, name, some in (("tumour", "Tumor", 0), ("fit", "Tumor", 1), ("stroma", "Stroma", 0)):
            (root / folder).mkdir()
            for x, y in corners[classes == name][some::2][:MOST].tolist():
                pixels = slide.read_region(x, y, 0, TILE, TILE)
                Image.fromarray(pixels).save(root / folder / f"b{y // BLOCK}_{x // BLOCK}-{y}-{x}.png")
    (root / "dyed").mkdir()
    for path in sorted((root / "stroma").iterdir())[::6]:
        reddened = np.asarray(Image.open(path)) // np.array([1, 3, 3], np.uint8)
        Image.fromarray(reddened).save(root / "dyed" / path.name)
    return Cut(root)


@dataclass(frozen=True)
class Evaluated:
    """What one run left: its folder, the JSON, and the columns of the table."""

    folder: Path
    found: Any
    columns: dict[str, np.ndarray]

    @classmethod
    def of(cls, folder: Path) -> Evaluated:
        with (folder / "tiles.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        columns = dict(zip(header, map(np.array, zip(*rows, strict=True)), strict=True))
        return cls(folder, json.loads((folder / "evaluation.json").read_text()), columns)

    def numbers(self, name: str) -> np.ndarray:
        return self.columns[name].astype(np.float64)


@pytest.fixture(scope="module")
def plain(tiny: Tiny, cut: Cut, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("plain")
    assert run(cut.command(tiny.model, "-o", folder, "--group-regex", "b[0-9]+_[0-9]+")) == 0
    return Evaluated.of(folder)


@pytest.fixture(scope="module")
def fitted(tiny: Tiny, cut: Cut, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("fitted")
    options = ("--group-regex", "b[0-9]+_[0-9]+", "--fit-dir", cut.root / "fit")
    assert run(cut.command(tiny.model, "-o", folder, *options)) == 0
    return Evaluated.of(folder)


def figures_of(found: Any) -> Iterator[tuple[str, str, Any]]:
    """All figures of methods: against which class (all: no name), by which method, and the figures."""
    yield from (("", name, one) for name, one in (found["rules"] | found["baselines"]).items())
    yield from ((kind, name, one) for kind, all_ in found["by_class"].items() for name, one in all_.items())


def test_the_figures_are_those_of_the_scores(fitted: Evaluated) -> None:
    """Each against scikit-learn, over all classes and for each."""
    classes, seen = fitted.columns["class"], set()
    for kind, name, one in figures_of(fitted.found):
        judged = (classes == "tumour") | (classes == kind) if kind else np.ones(len(classes), bool)
        labels, scores = classes[judged] != "tumour", fitted.numbers(name)[judged]
        assert one["auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-9), (kind, name)
        assert one["average_precision"] == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
        if name == "score":
            draws = ClusterBootstrap(labels, fitted.columns["group"][judged]).auroc(scores)
            assert list(one["auroc_interval"].values()) == pytest.approx(np.percentile(draws, [2.5, 97.5]))
        seen.add((kind, name))
    methods = {"score", "paper", "content", "combined", "pooled Mahalanobis", "pooled kNN-5", "mean red"}
    assert {(kind, name) for kind in ("", "stroma", "dyed") for name in methods} <= seen


def test_rates_are_those_of_the_p_values(plain: Evaluated) -> None:
    found, p_values = plain.found, plain.numbers("p_value").astype(np.float32)
    classes, groups = plain.columns["class"], plain.columns["group"]
    reference = classes == "tumour"
    of_groups = [(p_values[reference & (groups == name)] <= 0.5).mean() for name in set(groups[reference])]
    (half,) = (one for one in found["calibration"] if one["level"] == 0.5)
    assert half["share"] == pytest.approx(np.mean(of_groups))
    assert found["false_calls"]["level"] == 0.05
    for one, rate in zip(found["discoveries"], RATES, strict=True):
        called = at_discovery_rate(p_values, rate)
        if one["tiles"] is not None:
            assert one["tiles"] == called.sum()
            assert one["found"] == pytest.approx(called[~reference].mean())
    called = plain.columns["called"] == "yes"
    for name in ("tumour", "stroma", "dyed"):
        own = found["classes"][name]
        assert own["tiles"] == (classes == name).sum()
        assert own["groups"] == len(set(groups[classes == name]))
        if found["called"] is not None:
            assert own["share_called"] == pytest.approx(called[classes == name].mean())


def test_baselines_without_tiles_to_fit_are_those_that_the_model_keeps(plain: Evaluated, fitted: Evaluated) -> None:
    (name,) = plain.found["baselines"]
    assert name == "pooled Mahalanobis"
    np.testing.assert_array_equal(plain.columns[name], plain.columns["content"])
    assert any("--fit-dir" in warning for warning in plain.found["warnings"])
    assert not any("pass --fit-dir" in warning for warning in fitted.found["warnings"])
    assert any("Groups both in --fit-dir and among the judged tiles" in one for one in fitted.found["warnings"])
    fitted_ones = {"pooled kNN-1", "PCA-16 residual, mean", "kNN with a coreset, mean", "CFlow-AD, mean"}
    assert fitted_ones | {"colour statistics"} <= set(fitted.found["baselines"])
    assert {one["kind"] for one in fitted.found["baselines"].values()} == {"baseline", "no model"}
    best = [name for name, one in fitted.found["baselines"].items() if one["against_best"] is None]
    assert len(best) == 1
    assert any("fewer than 10 groups: dyed (8)" in warning for warning in fitted.found["warnings"])
    np.testing.assert_array_equal(plain.columns["score"], fitted.columns["score"])


def test_the_page_and_the_pictures_show_it(fitted: Evaluated) -> None:
    for name in ("classes.png", "roc.png", "calibration.png", "methods.png", "tiles.png"):
        with Image.open(fitted.folder / name) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20, name
    page = Page(fitted.folder / "evaluation.html")
    page.assert_self_contained()
    assert len(page.values("img", "src")) == 5
    for words in ("Anomalous: dyed, stroma.", "dyed against the reference", "False calls", "best baseline"):
        assert words in page.words
    assert fitted.found["false_calls"]["words"].replace("\N{NO-BREAK SPACE}", " ") in page.words


def test_tiles_are_scored_as_those_of_slides(tiny: Tiny, cut: Cut, plain: Evaluated) -> None:
    checkpoint = Checkpoint.load(tiny.model)
    compute = Compute(checkpoint, ScoreOptions(tiny.model, threads=1))
    scorer = Scorer.of(checkpoint, compute.device, compute.record(Reporter(quiet=True)))
    files = sorted((cut.root / "stroma").iterdir())
    scores = scorer.score(np.stack([np.asarray(Image.open(file)) for file in files]))
    own = plain.columns["class"] == "stroma"
    assert plain.columns["file"][own].tolist() == [file.name for file in files]
    np.testing.assert_allclose(plain.numbers("score")[own], scores.score, rtol=1e-5)
    np.testing.assert_allclose(plain.numbers("p_value")[own], scores.p_value, rtol=1e-5)


def test_the_same_command_gives_the_same_bytes_beside_the_model(tiny: Tiny, cut: Cut, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    shutil.copy(tiny.model, model)
    left = []
    for _ in range(2):
        assert run(cut.command(model, classes=("dyed",))) == 0
        left.append({path.name: path.read_bytes() for path in (tmp_path / "m.evaluation").iterdir()})
    assert left[0] == left[1]
    found = json.loads(left[0]["evaluation.json"])
    assert found["grouped_by"] == "images"
    assert any("--group-regex" in warning for warning in found["warnings"])
    assert found["by_class"]["dyed"] == found["rules"] | found["baselines"]


def test_stains_are_matched_as_in_scoring(tiny: Tiny, cut: Cut, tmp_path: Path) -> None:
    """Both folders are stained otherwise: a model that matches stains scores them as before."""
    pytest.importorskip("torchstain")
    checkpoint, restained = Checkpoint.load(tiny.model), Cut(tmp_path / "restained")
    reference = ImageFolderSource.open(cut.root / "tumour", 0.5)
    stains = stain_target(reference, np.arange(len(reference.files)), checkpoint.facts.config.scoring.glass_level)
    checkpoint.with_facts(stains=stains).save(tmp_path / "matching.safetensors")
    for folder in ("tumour", "stroma"):
        (restained.root / folder).mkdir(parents=True)
        for path in (cut.root / folder).iterdir():
            pixels = change_stains(np.asarray(Image.open(path)), (1.4, 0.7, 1))
            Image.fromarray(pixels).save(restained.root / folder / path.name)
    scores = []
    for tiles, model in ((cut, "matching"), (restained, "matching"), (restained, "plain")):
        path = tmp_path / "matching.safetensors" if model == "matching" else tiny.model
        assert run(tiles.command(path, "-o", tmp_path / "out", classes=("stroma",))) == 0
        scores.append(Evaluated.of(tmp_path / "out").numbers("content"))
    before, matched, unmatched = scores
    assert np.median(np.abs(matched - before)) < 0.2 * np.median(np.abs(unmatched - before))


def test_without_calibration_nothing_is_said_about_p_values(tiny: Tiny, cut: Cut, tmp_path: Path) -> None:
    """Nor is a picture of an earlier run left. A folder's name is only a name, whatever is in it."""
    out, odd = tmp_path / "out", tmp_path / "=$\\frac$\x1b"
    assert run(cut.command(tiny.model, "-o", out, classes=("dyed",))) == 0
    assert (out / "calibration.png").exists()
    replace(Checkpoint.load(tiny.model), calibration=None).with_facts(calibration=None).save(tmp_path / "bare")
    shutil.copytree(cut.root / "dyed", odd)
    assert run(cut.command(tmp_path / "bare", "-o", out, "--anomalous-dir", odd, classes=())) == 0
    assert not (out / "calibration.png").exists()
    left = Evaluated.of(out)
    assert (left.found["false_calls"], left.found["called"]) == (None, None)
    assert left.found["calibration"] == left.found["discoveries"] == []
    assert set(left.columns["p_value"]) == set(left.columns["called"]) == {""}
    assert set(left.columns["class"]) == {"tumour", f"'{odd.name}"}, "no spreadsheet computes it"
    assert any("the model was not calibrated" in warning for warning in left.found["warnings"])
    assert "\x1b" not in (out / "evaluation.html").read_text()


def test_few_groups_are_warned_of(tiny: Tiny, cut: Cut, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = cut.command(tiny.model, "-o", tmp_path / "out", "--group-regex", "b", classes=("dyed",))
    assert run([word for word in command if word != "-q"]) == 0
    told = "fewer than 10 groups: tumour (1), dyed (1). One of the groups does not show how they differ"
    assert told in " ".join(capsys.readouterr().err.split())
    found = Evaluated.of(tmp_path / "out").found
    assert found["groups"] == 1
    assert all(one["auroc_interval"] is one["against_best"] is None for _, _, one in figures_of(found))
    assert "no interval: too few groups" in found["false_calls"]["words"]
    assert found["false_calls"]["kept"] is None
    assert told in " ".join(found["warnings"])


def test_what_cannot_be_judged_is_refused(
    tiny: Tiny, cut: Cut, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: object) -> str:
        assert run([str(word) for word in words]) == 2
        assert not out.exists()
        return " ".join(capsys.readouterr().err.split())

    out, tumour, dyed = tmp_path / "out", cut.root / "tumour", cut.root / "dyed"
    start = ["evaluate-tiles", tiny.model, "-o", out, "--reference-dir", tumour]
    empty, other, twin = tmp_path / "empty", tmp_path / "other", tmp_path / "twins" / "dyed"
    empty.mkdir()
    assert "no image in it" in refused(*start, "--anomalous-dir", empty)
    other.mkdir()
    Image.new("RGB", (32, 32)).save(other / "a.png")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    assert "a.png: cannot be read as an image" in refused(*start, "--anomalous-dir", tmp_path / "broken")
    told = refused(*start, "--anomalous-dir", other)
    assert "tiles of 32 px, but the model was trained on tiles of 64 px" in told
    assert "64 px at 0.5 µm/px" in told
    assert "is in" in refused(*start, "--anomalous-dir", tumour)
    shutil.copytree(dyed, twin)
    assert "two folders are called dyed" in refused(*start, "--anomalous-dir", dyed, "--anomalous-dir", twin)
    told = refused(*start, "--anomalous-dir", dyed, "--fit-dir", twin)
    assert "the same image as" in told
    assert "does not match" in refused(*start, "--anomalous-dir", dyed, "--group-regex", "patient")
    assert "--anomalous-dir" in refused(*start)
    assert "checkpoint" in refused(
        "evaluate-tiles", next(dyed.iterdir()), "-o", out, "--reference-dir", tumour, "--anomalous-dir", dyed
    )


def test_a_second_run_into_one_folder_is_refused(
    tiny: Tiny, cut: Cut, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / "out"):
        assert run(cut.command(tiny.model, "-o", tmp_path / "out")) == 2
    assert "another run is writing here" in " ".join(capsys.readouterr().err.split())


def test_tiles_that_training_used_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiles, new = (write_images(tmp_path / name, MemorySource(count, size=64)) for name, count in (("r", 60), ("n", 10)))
    model, out = tmp_path / "m.safetensors", tmp_path / "out"
    command = ["train-tiles", str(tiles), "-o", str(model), "--mpp", "0.5", "--group-regex", "p[0-9]+", *TINY, "-q"]
    assert run(command) == 0
    other = write_images(tmp_path / "flat", MemorySource(12, size=64))
    judge = ["evaluate-tiles", str(model), "-o", str(out), "--group-regex", "p[0-9]+", "--anomalous-dir", str(other)]
    assert run([*judge, "--reference-dir", str(tiles)]) == 2
    assert "Training used every reference tile" in " ".join(capsys.readouterr().err.split())
    for path in new.iterdir():
        shutil.copy(path, tiles / f"new-{path.name}")
    assert run([*judge, "--reference-dir", str(tiles)]) == 0
    left = Evaluated.of(out)
    assert (left.columns["class"] == "r").sum() == 10
    assert "60 tiles were left out, because training used them" in left.found["warnings"][0]
    assert "Training used other tiles of these groups: p00" in left.found["warnings"][1]
