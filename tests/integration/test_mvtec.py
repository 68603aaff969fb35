"""``wsi-haloae mvtec`` as a user runs it, on small sets of images."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.forked import COMMAND, start
from tests.integration.mvtec_images import defect, save, stripes, write_config, write_set
from wsi_haloae.cli.main import run
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.mvtec.category_folder import finished_result
from wsi_haloae.workspace.lock import locked

RULES_OF_TILES = ("layers", "layers_ssim", "structure", "profile", "content", "combined", "auto")
PICTURES = {"sheet.png", "defects.png", "curves.png", "ews.png", "loss.png", "reconstructions.png"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_set(folder / "stripes")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("config"))


def evaluate(root: Path, output: Path, config: Path, *more: str) -> int:
    return run(["mvtec", str(root), "--all", "-o", str(output), "--config", str(config), "-q", *more])


@pytest.fixture(scope="module")
def done(root: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with baselines."""
    output = tmp_path_factory.mktemp("out")
    assert evaluate(root, output, config, "--baselines") == 0
    return output


def result(output: Path, name: str = "stripes") -> dict:
    return json.loads((output / name / "mvtec.json").read_text(encoding="utf-8"))


def scores(output: Path, name: str = "stripes") -> list[dict[str, str]]:
    with (output / name / "scores.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.name not in {"run.json"} and p.is_file()
    }


def test_everything_is_there_and_drawn(done: Path) -> None:
    names = {path.name for path in (done / "stripes").iterdir()}
    assert names == PICTURES | {"model.safetensors", "mvtec.json", "run.json", "scores.csv", "loss.csv", ".lock"}
    for name in PICTURES:
        with Image.open(done / "stripes" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5, f"{name} is empty"
    assert {path.name for path in done.iterdir()} == {"stripes", "table.md", "table.json"}


def test_the_figures_are_those_of_the_scores(done: Path) -> None:
    told, rows = result(done), scores(done)
    anomalous = [row["defect"] != "good" for row in rows]
    assert len(rows) == 6
    assert told["image"]["auroc"] == pytest.approx(roc_auc_score(anomalous, [float(r["score"]) for r in rows]))
    for row in told["baselines"]:
        own = roc_auc_score(anomalous, [float(r[row["name"]]) for r in rows])
        assert row["image_auroc"] == pytest.approx(own), row["name"]
    assert len(told["baselines"]) == 4
    assert told["data"] == {
        "name": "stripes",
        "train": 3,
        "validation": 2,
        "reference": 2,
        "anomalous": 4,
        "with_mask": 4,
    }
    assert told["paper"] is None
    assert told["image"]["interval"]["low"] <= told["image"]["auroc"] <= told["image"]["interval"]["high"]


def test_the_baselines_see_the_defects_and_the_table_says_so(done: Path) -> None:
    """Squares on stripes are easy: a harness that mixed up images, maps and masks would not see them."""
    told = result(done)
    for row in told["baselines"]:
        assert row["pixel"]["auroc"] > 0.8, row["name"]
    text = (done / "table.md").read_text(encoding="utf-8")
    for name in (
        "**stripes**",
        "PCA-8 reconstruction",
        "per-location Mahalanobis",
        "kNN with a coreset",
        "CFlow-AD",
        "no model: brightness",
    ):
        assert name in text
    assert "not converged" in text, "three steps are none"


def test_every_way_of_scoring_is_there(done: Path) -> None:
    variants = {row["name"]: row for row in result(done)["variants"]}
    assert len(variants) == 9
    assert variants["classifier, P(damaged)"]["pixel_auroc"] is None
    assert variants["A_fm, normalised and filtered"]["image_auroc"] == result(done)["image"]["auroc"]
    assert variants["A_fm, normalised and filtered"]["pixel_auroc"] == result(done)["pixel"]["auroc"]
    rows = scores(done)
    damaged = roc_auc_score([r["defect"] != "good" for r in rows], [float(r["P(damaged)"]) for r in rows])
    assert variants["classifier, P(damaged)"]["image_auroc"] == pytest.approx(damaged)


def test_the_checkpoint_knows_that_images_have_no_scale(done: Path) -> None:
    facts = Checkpoint.load(done / "stripes" / "model.safetensors").facts
    assert facts.mpp is None
    assert facts.config.training.flip is False
    assert facts.config.scoring.glass_level is None


def test_what_is_done_is_skipped_and_not_touched(
    done: Path, root: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(done)
    assert run(["mvtec", str(root), "--category", "stripes", "-o", str(done), "--config", str(config)]) == 0
    assert "skipped" in capsys.readouterr().err
    assert snapshot(done) == before


def test_another_configuration_is_refused(
    done: Path, root: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(done)
    assert evaluate(root, done, config, "--set", "training.seed=1") == 2
    told = capsys.readouterr().err
    assert "--overwrite" in told
    assert "with other training.seed." in told
    assert snapshot(done) == before


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"identity": "x", "with_baselines": []}'])
def test_a_result_of_any_content_is_measured_anew(text: str, tmp_path: Path) -> None:
    (tmp_path / "mvtec.json").write_text(text)
    assert finished_result(tmp_path, {"x": 1}, wanted_baselines=False) is None


def test_a_result_does_not_count_if_a_baseline_could_be_run_by_now(done: Path, tmp_path: Path) -> None:
    told, wanted = result(done), (tmp_path / "mvtec.json")

    def counts(names: set[str]) -> bool:
        rows = [row for row in told["baselines"] if row["name"] in names]
        wanted.write_text(json.dumps({**told, "baselines": rows}))
        return finished_result(tmp_path, told["identity"], wanted_baselines=True) is not None

    names = {row["name"] for row in told["baselines"]}
    assert counts(names)
    assert not counts(names - {"CFlow-AD"})
    assert counts(set()), "of pixels, which have no baselines"


def test_a_second_run_on_one_category_refuses(
    root: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / "stripes"):
        assert evaluate(root, tmp_path, config) == 2
    assert "another run is writing here" in capsys.readouterr().err
    assert not (tmp_path / "stripes" / "model.safetensors").exists()


def test_two_runs_give_the_same_bytes(done: Path, root: Path, config: Path, tmp_path: Path) -> None:
    assert evaluate(root, tmp_path, config, "--baselines") == 0
    assert snapshot(tmp_path) == snapshot(done)


def test_a_killed_run_ends_with_the_same_weights(root: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, steps=12, steps_per_epoch=2)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert evaluate(root, whole, config) == 0
    command = ["mvtec", root, "--all", "--config", config, "-q", "-o", killed]
    process = start(COMMAND, *command, said=tmp_path / "said.txt")
    while not (killed / "stripes" / "state.pt").exists():
        assert process.is_alive(), "it ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (killed / "stripes" / "mvtec.json").exists()
    assert evaluate(root, killed, config) == 0
    assert snapshot(killed) == snapshot(whole)


def test_images_are_checked_before_any_training(
    root: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = shutil.copytree(root, tmp_path / "images")
    shutil.copytree(bad / "stripes", bad / "zebra")
    (bad / "zebra" / "test" / "hole" / "001.png").unlink()
    output = tmp_path / "out"
    assert evaluate(bad, output, config) == 2
    assert "001_mask.png" in capsys.readouterr().err
    assert not output.exists()


def test_a_category_that_fails_does_not_stop_the_others(
    root: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = shutil.copytree(root, tmp_path / "images")
    write_set(both / "more", train=4, each=1)
    output = tmp_path / "out"
    (output / "more").mkdir(parents=True)
    (output / "more" / "model.safetensors").write_bytes(b"no checkpoint")
    assert evaluate(both, output, config) == 1
    told = capsys.readouterr().err
    assert "error: more:" in told
    assert (output / "stripes" / "mvtec.json").exists()
    assert len(json.loads((output / "table.json").read_text(encoding="utf-8"))) == 1


def test_several_categories_make_one_table_with_their_mean(root: Path, config: Path, tmp_path: Path) -> None:
    both = shutil.copytree(root, tmp_path / "images")
    (both / "stripes").rename(both / "screw")  # a name of the paper's
    write_set(both / "other", train=4, each=1)
    assert evaluate(both, tmp_path / "out", config) == 0
    rows = json.loads((tmp_path / "out" / "table.json").read_text(encoding="utf-8"))
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert [row["data"]["name"] for row in rows] == ["other", "screw"]
    assert rows[1]["paper"] == {"image_auroc": 89.6, "pixel_auroc": 99.0}
    mean = np.mean([row["image"]["auroc"] for row in rows])
    assert f"| mean of 2 | {100 * mean:.1f} |" in text
    assert "| 89.6 | 99.0 |" in text
    assert "4 of 119 defects" in text


def test_own_folders_of_any_kind_of_image(config: Path, tmp_path: Path) -> None:
    """Greyscale, transparent and 16-bit images, another size, four to train on, no masks."""
    reference, test = tmp_path / "mine" / "reference", tmp_path / "mine" / "test"
    for number in range(4):
        grey = stripes(number)[..., 0].astype(np.uint16) * 257
        save(reference / f"{number}.png", grey)
    save(test / "good" / "a.png", stripes(60)[..., 0])
    transparent = np.dstack([stripes(61), np.full((256, 256), 255, np.uint8)])
    save(test / "good" / "b.png", transparent)
    save(test / "broken" / "c.png", np.asarray(Image.fromarray(defect("hole", 0)[0]).resize((300, 300))))
    arguments = ["mvtec", "--reference-dir", str(reference), "--test-dir", str(test), "-q"]
    assert run([*arguments, "-o", str(tmp_path / "out"), "--config", str(config)]) == 0
    told = result(tmp_path / "out", "mine")
    assert told["pixel"] is None
    assert told["against_pca"] is None
    assert told["data"]["with_mask"] == 0
    (reference / "3.png").unlink()
    assert run([*arguments, "-o", str(tmp_path / "few"), "--config", str(config)]) == 2


@pytest.fixture(scope="module")
def dark(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same set, but its reference test images are darker: brightness alone decides, as in screw."""
    folder = shutil.copytree(root, tmp_path_factory.mktemp("dark") / "images")
    for path in (folder / "stripes" / "test" / "good").iterdir():
        save(path, (np.asarray(Image.open(path)) * 0.5).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def done_in_the_dark(dark: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("none")
    assert evaluate(dark, output, config) == 0
    return output


def test_a_category_that_brightness_decides_is_marked(done_in_the_dark: Path) -> None:
    told = result(done_in_the_dark)
    assert "brightness" in told["decided_by"]
    assert told["no_model"]["brightness"] >= 0.9 or told["no_model"]["brightness"] <= 0.1
    remarks = (done_in_the_dark / "table.md").read_text(encoding="utf-8").split("remarks")[1]
    assert "brightness" in remarks.splitlines()[2]


def test_images_are_scored_with_and_without_their_median(
    done_in_the_dark: Path, dark: Path, root: Path, config: Path, tmp_path: Path
) -> None:
    assert evaluate(dark, tmp_path / "median", config, "--normalise", "median") == 0
    assert evaluate(root, tmp_path / "bright", config, "--normalise", "median") == 0
    none, median = result(done_in_the_dark), result(tmp_path / "median")
    assert none["image"]["auroc"] == none["image"]["plain"]
    assert median["image"]["auroc"] == median["image"]["median"]
    dark_scores, bright_scores = scores(tmp_path / "median"), scores(tmp_path / "bright")
    for one, other in zip(dark_scores, bright_scores, strict=True):
        assert float(one["score"]) == pytest.approx(float(other["score"]), rel=0.05), "halving an image changes nothing"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--reference-dir"),
        (["ROOT"], "--all"),
        (["ROOT", "--category", "screws"], "stripes"),
        (["ROOT", "--all", "--category", "stripes"], "--all"),
        (["ROOT", "--all", "--reference-dir", "ROOT", "--test-dir", "ROOT"], "one or the other"),
        (["--category", "stripes", "--reference-dir", "ROOT", "--test-dir", "ROOT"], "need ROOT"),
    ],
)
def test_contradicting_options_are_refused(
    arguments: list[str], told: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(root) if argument == "ROOT" else argument for argument in arguments]
    assert run(["mvtec", *given, "-o", str(tmp_path / "out")]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        *((f"scoring.rule={name}", "labelled images of residual mse can be scored by") for name in RULES_OF_TILES),
        ("scoring.glass_level=0.9", "Leave it at null"),
        ("scoring.rule=classifier", "loss.cls is false"),
    ],
)
def test_a_rule_that_does_not_score_images_is_refused_before_any_training(
    setting: str, told: str, root: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_classifier = ["--set", "loss.cls=false"] if "classifier" in setting else []
    assert evaluate(root, tmp_path / "out", config, *without_classifier, "--set", setting) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_rule_of_cells_gives_map_and_score_and_a_mark_the_weights(root: Path, config: Path, tmp_path: Path) -> None:
    alone = ("loss.cls=false", "loss.im=false", "training.steps=2")
    settings = ("scoring.rule=whitened", "scoring.pooling=max", "training.stop_by=synthetic", *alone)
    assert evaluate(root, tmp_path, config, *(part for one in settings for part in ("--set", one))) == 0
    model = Checkpoint.load(tmp_path / "stripes/model.safetensors")
    assert list(model.gaussians) == ["whitened"]
    assert model.place_means is not None
    with (tmp_path / "stripes/loss.csv").open(encoding="utf-8") as stream:
        marks = [float(row["synthetic_mark"]) for row in csv.DictReader(stream)]
    assert model.facts.training["synthetic_mark"] == max(marks)
    labels = [row["defect"] != "good" for row in scores(tmp_path)]
    assert result(tmp_path)["image"]["auroc"] == pytest.approx(
        roc_auc_score(labels, [float(row["score"]) for row in scores(tmp_path)])
    )
    assert "maximum over all cells of the squared residual, measured by" in result(tmp_path)["rule"]
