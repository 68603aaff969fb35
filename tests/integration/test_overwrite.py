"""``--overwrite`` deletes nothing before all that can be wrong with a command has been looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tifffile

from tests.integration.conftest import TINY, Tiny
from tests.integration.mvtec_images import write_config, write_set
from wsi_haloae.cli.main import run


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {".lock", "cohort.csv", "index.html"}
    }


def ruined(slide: Path, folder: Path) -> Path:
    """A slide that opens, and of which no pixel can be read."""
    folder.mkdir()
    copy = Path(shutil.copy(slide, folder))
    with tifffile.TiffFile(copy) as tiff:
        places = [place for page in tiff.pages for place in zip(page.dataoffsets, page.databytecounts, strict=True)]
    with copy.open("r+b") as stream:
        for offset, length in places:
            stream.seek(offset)
            stream.write(b"\0" * length)
    return copy


def square(folder: Path, left: int, side: int, name: str = "Tumor") -> Path:
    right = left + side
    ring = [[left, left], [right, left], [right, right], [left, right], [left, left]]
    properties = {"classification": {"name": name}}
    path = folder / f"{name}{left}.geojson"
    path.write_text(
        json.dumps(
            {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}
        )
    )
    return path


def broken(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("{")
    return path


@pytest.fixture
def trained(tiny: Tiny, tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    shutil.copy(tiny.model, folder)
    shutil.copytree(tiny.model.parent / "model.training", folder / "model.training")
    (folder / "model.training/state.pt").write_bytes(b"an interrupted training")
    return folder


TRAINING_FAULTS: dict[str, Callable[[Path], list[str]]] = {
    "a class that is not there": lambda _: ["--class", "Tumour"],
    "broken annotations": lambda tmp: ["--annotations", str(broken(tmp, "a.geojson"))],
    "annotations without tissue": lambda tmp: ["--annotations", str(square(tmp, 9000, 100))],
    "a tile size of no model": lambda _: ["--tile-size", "40"],
    "a coarser slide than asked for": lambda _: ["--mpp-target", "0.1"],
    "a device that is not there": lambda _: ["--device", "cuda:7"],
    "weights of no backbone": lambda tmp: ["--features", "vgg16", "--weights", str(broken(tmp, "w.safetensors"))],
    "a manifest without the slide": lambda tmp: ["--manifest", str(manifest(tmp))],
    "a second slide that is none": lambda tmp: [str(broken(tmp, "second.tif"))],
    "no anomalous tiles": lambda tmp: ["--anomalous-dir", str(tmp)],
    "nothing to balance by": lambda _: ["--balance", "site"],
    "an unknown setting": lambda _: ["--set", "training.stepps=3"],
    "a split that holds too much": lambda _: ["--set", "split.validation=0.6"],
    "a model beyond all memory": lambda _: ["--set", "model.image_decoder.widths=[16384,16384,16384,16384]"],
}


def manifest(folder: Path) -> Path:
    path = folder / "study.csv"
    path.write_text("path,patient\nanother.tif,p1\n")
    return path


@pytest.mark.parametrize("fault", TRAINING_FAULTS.values(), ids=TRAINING_FAULTS.keys())
def test_a_model_outlives_a_training_that_cannot_begin(
    fault: Callable[[Path], list[str]], tiny: Tiny, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    before = contents(trained)
    command = ["train-tiles", str(tiny.slide), "-o", str(trained / "model.safetensors"), "--overwrite", "-q"]
    command += ["--annotations", str(tiny.truth), "--class", "Tumor", "--tile-size", "64", *TINY]
    assert run([*command, *fault(tmp_path / "more")]) == 2
    assert contents(trained) == before


@pytest.fixture(scope="module")
def scored(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("scored")
    assert run(["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(output), "--keep-tiles", "-q"]) == 0
    return output


SCORING_FAULTS: dict[str, Callable[[Path], list[str]]] = {
    "a region beside the slide": lambda tmp: ["--roi", str(square(tmp, 9000, 500))],
    "a broken region": lambda tmp: ["--roi", str(broken(tmp, "roi.geojson"))],
    "another pixel size": lambda _: ["--mpp", "0.3"],
    "a device that is not there": lambda _: ["--device", "cuda:7"],
    "a coarser slide than the model": lambda _: ["--override-mpp", "2"],
}


@pytest.mark.parametrize("fault", SCORING_FAULTS.values(), ids=SCORING_FAULTS.keys())
def test_scores_outlive_a_command_that_cannot_score(
    fault: Callable[[Path], list[str]], tiny: Tiny, scored: Path, tmp_path: Path
) -> None:
    before = contents(scored)
    command = ["score", str(tiny.slide), "-m", str(tiny.model), "-o", str(scored), "--overwrite", "-q"]
    assert run([*command, *fault(tmp_path)]) == 2
    assert contents(scored) == before


def test_scores_and_tiles_outlive_a_slide_that_cannot_be_read(tiny: Tiny, scored: Path, tmp_path: Path) -> None:
    slide, before = ruined(tiny.slide, tmp_path / "ruined"), contents(scored)
    assert run(["score", str(slide), "-m", str(tiny.model), "-o", str(scored), "--overwrite", "-q"]) == 2
    assert run(["tile", str(slide), "-o", str(scored), "--tile-size", "64", "--overwrite", "-q"]) == 2
    assert contents(scored) == before


def test_a_category_outlives_weights_that_do_not_fit(tmp_path: Path) -> None:
    write_set(tmp_path / "images/stripes")
    output = tmp_path / "out/stripes"
    output.mkdir(parents=True)
    for name in ("model.safetensors", "mvtec.json", "sheet.png"):
        (output / name).write_bytes(b"of an earlier run")
    before = contents(output)
    command = ["mvtec", str(tmp_path / "images"), "--all", "-o", str(output.parent), "--overwrite", "-q"]
    command += ["--config", str(write_config(tmp_path)), "--set", "model.features.backbone=vgg16"]
    assert run([*command, "--weights", str(broken(tmp_path, "w.safetensors"))]) == 2
    assert contents(output) == before
