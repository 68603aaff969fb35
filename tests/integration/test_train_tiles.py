"""``train-tiles`` and ``tile`` as a user runs them: sources, splits, resume, refusals."""

import json
import time
from collections.abc import Iterable
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from benchmarks.forked import COMMAND, start
from tests.data_paths import real_data
from tests.integration.conftest import TINY, Tiny
from tests.training.tiles import MemorySource
from wsi_haloae.calibration.circumstances import Circumstances
from wsi_haloae.cli.main import run
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.training.added_value import NOT_MARKS
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES


def test_leaves_checkpoint_curve_pictures_and_record(tiny: Tiny) -> None:
    folder = tiny.model.with_name("model.training")
    assert {path.name for path in folder.iterdir()} >= {"loss.csv", "loss.png", "reconstructions.png", "run.json"}
    assert not (folder / "state.pt").exists()
    facts = Checkpoint.load(tiny.model).facts
    assert facts.calibrated == Circumstances(precision="float32", blocks=True)
    assert facts.tile_size == 64
    assert facts.mpp == pytest.approx(0.5, rel=1e-3)
    assert facts.display_range[0] < facts.display_range[1]
    assert facts.map_range is not None
    assert facts.map_range[0] < facts.map_range[1]
    assert sum(facts.training["tiles"].values()) > 20


def test_a_killed_training_ends_with_the_same_weights(tiny: Tiny, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    command = ["train-tiles", str(tiny.slide), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    command += ["--tile-size", "64", *TINY, "-q"]
    process = start(COMMAND, *command, said=tmp_path / "said.txt")
    while process.is_alive() and not (tmp_path / "model.training/state.pt").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not model.exists()
    assert run(command) == 0
    ours, theirs = load_file(model), load_file(tiny.model)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_the_same_command_is_skipped_and_another_refused(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train-tiles", str(tiny.slide), "-o", str(tiny.model), "--annotations", str(tiny.truth)]
    command += ["--class", "Tumor", "--tile-size", "64", *TINY]
    assert run(command) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert run([*command, "--set", "training.seed=9"]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_trains_on_tile_stores_that_tile_made(tiny: Tiny, tmp_path: Path) -> None:
    assert run(["tile", str(tiny.slide), "-o", str(tmp_path / "tiles"), "--tile-size", "64", "-q"]) == 0
    assert (tmp_path / "tiles/tiny/preview.png").exists()
    model = tmp_path / "m.safetensors"
    assert run(["train-tiles", str(tmp_path / "tiles"), "-o", str(model), *TINY, "-q"]) == 0
    with safe_open(model, framework="pt") as file:
        assert file.metadata()


def test_overwrite_with_a_typo_keeps_the_good_model(tiny: Tiny, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(tiny.model.read_bytes())
    assert run(["train-tiles", str(tmp_path / "typo"), "-o", str(model), "--overwrite", "-q"]) == 2
    assert model.read_bytes() == tiny.model.read_bytes()


def test_annotations_beside_a_folder_are_refused_and_not_ignored(tiny: Tiny, tmp_path: Path) -> None:
    command = ["train-tiles", str(tiny.slide.parent), "-o", str(tmp_path / "m.safetensors"), "-q"]
    assert run([*command, "--annotations", str(tiny.truth), "--class", "Tumor"]) == 2


def test_the_same_tiles_elsewhere_give_the_same_bytes(tiny: Tiny, tmp_path: Path) -> None:
    moved = tmp_path / tiny.slide.name
    moved.write_bytes(tiny.slide.read_bytes())
    model = tmp_path / "other.safetensors"
    command = ["train-tiles", str(moved), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    assert run([*command, "--tile-size", "64", *TINY, "-q"]) == 0
    assert model.read_bytes() == tiny.model.read_bytes()


def link(images: Iterable[Path], folder: Path) -> Path:
    """A folder of some images of another."""
    folder.mkdir()
    for image in images:
        (folder / image.name).symlink_to(image)
    return folder


def test_trains_on_real_tiles_by_patient_with_real_weights(tmp_path: Path) -> None:
    """Some of GlaS, the small preset and VGG19, for two steps: the whole path on real input."""
    images, weights = real_data("tiles/glas_colon/train/malignant"), real_data("../weights/vgg19_features.safetensors")
    by_patient = groupby(sorted(images.glob("*_00.jpeg")), lambda file: file.name[:3])
    tiles = link((file for _, files in by_patient for file in islice(files, 3)), tmp_path / "tiles")
    model = tmp_path / "m.safetensors"
    command = ["train-tiles", str(tiles), "-o", str(model), "--config", "haloae-small", "--weights", str(weights)]
    command += ["--mpp", "0.62", "--group-regex", "p[0-9]+", "--set", "training.steps=2", "-q"]
    command += ["--set", "training.statistics_tiles=8", "--set", "training.validation_tiles=2"]
    command += ["--set", "training.originals_per_batch=2"]
    assert run(command) == 0
    facts = Checkpoint.load(model).facts
    assert (facts.tile_size, facts.mpp) == (256, 0.62)
    assert sum(facts.training["groups"].values()) == 7
    assert facts.backbone_source == weights.name


def test_images_without_pixel_size_and_unknown_classes_are_errors(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = real_data("tiles/glas_colon/train/malignant")
    assert run(["train-tiles", str(tiles), "-o", str(tmp_path / "m.safetensors")]) == 2
    assert "--mpp" in capsys.readouterr().err
    command = ["train-tiles", str(tiny.slide), "-o", str(tmp_path / "m.safetensors"), "--annotations", str(tiny.truth)]
    assert run([*command, "--class", "Tumour", "--tile-size", "64"]) == 2
    assert "Stroma, Tumor" in capsys.readouterr().err
    assert run([*command, "--class", "Tumor", "--tile-size", "64", "--stride", "65"]) == 2
    assert "--stride 65" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [], "a training that was refused leaves nothing"


def test_a_manifest_names_groups_and_parts(tmp_path: Path) -> None:
    tiles = link(sorted(real_data("tiles/lc25000_lung/val/tumour").glob("*.jpeg"))[:40], tmp_path / "tiles")
    lines = ["path,patient,split"]
    for number, file in enumerate(sorted(tiles.iterdir())):
        part = "train" if number < 20 else "validation" if number < 32 else "calibration"
        lines.append(f"{file},{part}-patient,{part}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(lines))
    model = tmp_path / "m.safetensors"
    command = ["train-tiles", str(tiles), "-o", str(model), "--mpp", "0.5", "--manifest", str(manifest)]
    assert run([*command, *TINY, "-q"]) == 0
    record = json.loads((tmp_path / "m.training/run.json").read_text())
    assert record["checkpoint"]["training"]["tiles"] == {"train": 20, "validation": 12, "calibration": 8}


def write_images(folder: Path, source: MemorySource) -> Path:
    """Image n is of patient n // 2."""
    folder.mkdir()
    for number, tile in enumerate(source.tiles):
        Image.fromarray(tile).save(folder / f"p{number // 2:02d}_{number}.png")
    return folder


def test_baselines_are_compared_without_any_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiles = write_images(tmp_path / "tiles", MemorySource(60, size=64))
    model = tmp_path / "m.safetensors"
    command = ["train-tiles", str(tiles), "-o", str(model), "--mpp", "0.5", "--group-regex", "^p[0-9]+", *TINY]
    assert run([*command, "-q"]) == 0
    assert not (tmp_path / "m.training/baselines.md").exists()
    assert run([*command, "--baselines"]) == 0, "of a model that is there already"
    told = json.loads((tmp_path / "m.training/baselines.json").read_text())
    assert set(told) == set(SYNTHETIC_ANOMALIES)
    score = f"score ({Checkpoint.load(model).facts.config.scoring.rule})"
    for methods in told.values():
        names = {method["name"] for method in methods}
        assert {score, "paper", "pooled Mahalanobis", "pooled kNN-1", "colour statistics"} <= names
        assert all(0 <= method["auroc"] <= 1 for method in methods)
    said = " ".join(capsys.readouterr().err.split())
    assert "the best baseline" in said
    assert NOT_MARKS in said
    few = "Classes with tiles of fewer than 10 groups: reference ("
    assert few in said
    assert (tmp_path / "m.training/baselines-shuffled-blocks.png").exists()
    page = (tmp_path / "m.training/baselines.md").read_text()
    assert all(words in page for words in ("Shuffled blocks", NOT_MARKS, few))


def test_labelled_anomalous_tiles_take_the_place_of_synthetic_anomalies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = write_images(tmp_path / "tiles", MemorySource(60, size=64))
    flat = MemorySource(20, size=64)
    flat.tiles = (flat.tiles // 8 + 100).astype(np.uint8)
    anomalous = write_images(tmp_path / "anomalous", flat)
    model = tmp_path / "m.safetensors"
    command = ["train-tiles", str(tiles), "-o", str(model), "--mpp", "0.5", "--group-regex", "p[0-9]+", *TINY]
    assert run([*command, "--anomalous-dir", str(anomalous)]) == 0
    (methods,) = json.loads((tmp_path / "m.training/baselines.json").read_text()).values()
    by_name = {method["name"]: method["auroc"] for method in methods}
    assert by_name["pooled Mahalanobis"] > 0.9
    assert by_name["deviation red"] > 0.9
    other = write_images(tmp_path / "other", MemorySource(4, size=48))
    assert run([*command, "--anomalous-dir", str(other)]) == 2
    assert "48" in capsys.readouterr().err
