"""Annotations as people bring them, through the commands: the same tiles count wherever they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.annotations.written import WRITERS, Shape, box, feature, qupath
from tests.integration.test_evaluate import scored
from wsi_haloae.cli.main import run
from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import AnnotationError
from wsi_haloae.progress import Reporter
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.reference import ReferenceOptions, ReferenceReader
from wsi_haloae.tiles.tiling import TilingSettings

TUMOR, STROMA = box(0, 0, 512, 1024), box(512, 0, 512, 512)


def evaluated(folder: Path, annotations: Path, *arguments: str) -> dict[str, Any]:
    if not (folder / "out").exists():
        scored(folder / "out/a")
    command = ["evaluate", str(folder / "out"), "--annotations", str(annotations), "-o", str(folder / "ev"), *arguments]
    assert run([*command, "-q"]) == 0
    found: dict[str, Any] = json.loads((folder / "ev/evaluation.json").read_text())
    return found


def test_derived_classes_have_their_whole_name(tmp_path: Path) -> None:
    shapes = [Shape("Tumor: Positive", TUMOR), Shape("Stroma: Positive", STROMA)]
    found = evaluated(tmp_path, qupath(tmp_path / "a.geojson", shapes), "--reference", "Tumor: Positive")
    assert {name: one["tiles"] for name, one in found["classes"].items()} == {
        "Tumor: Positive": 128, "Stroma: Positive": 64,
    }  # fmt: skip
    again = evaluated(tmp_path, tmp_path / "a.geojson", "--reference", "Tumor")
    assert again["rules"] == found["rules"]
    assert "--reference Tumor means the classes derived from it: Tumor: Positive." in again["warnings"]


def test_a_class_beside_those_derived_from_it_is_meant_alone_and_that_is_said(tmp_path: Path) -> None:
    shapes = [Shape("Tumor", TUMOR), Shape("Tumor: Necrotic", STROMA)]
    found = evaluated(tmp_path, qupath(tmp_path / "a.geojson", shapes), "--reference", "Tumor")
    assert "--reference Tumor means this class alone: Tumor: Necrotic count as anomalous." in found["warnings"]


def test_a_parent_without_a_class_changes_nothing_but_is_said(tmp_path: Path) -> None:
    plain = [Shape("Tumor", TUMOR), Shape("Stroma", STROMA)]
    expected = evaluated(tmp_path, qupath(tmp_path / "a.geojson", plain), "--reference", "Tumor")
    parent = Shape("", box(0, 0, 1024, 1024))
    found = evaluated(tmp_path, qupath(tmp_path / "b.geojson", [parent, *plain]), "--reference", "Tumor")
    assert (found["classes"], found["unlabelled"]) == (expected["classes"], expected["unlabelled"])
    assert "Annotations: left out: 1 without a class." in found["warnings"]


@pytest.mark.parametrize("inner", ["Necrosis", "Vessel"])
def test_the_inner_annotation_counts_whatever_its_name(inner: str, tmp_path: Path) -> None:
    shapes = [Shape("Tumor", box(0, 0, 1024, 1024)), Shape(inner, STROMA)]
    found = evaluated(tmp_path, qupath(tmp_path / "a.geojson", shapes), "--reference", "Tumor")
    assert {name: one["tiles"] for name, one in found["classes"].items()} == {"Tumor": 192, inner: 64}
    assert (
        "Annotations: 1 outline overlaps smaller ones of another class, and there the smaller count."
        in found["warnings"]
    )


def test_every_format_gives_the_same_figures(tmp_path: Path) -> None:
    shapes = [Shape("Tumor", TUMOR), Shape("Stroma", STROMA)]
    found = [
        evaluated(tmp_path, write(tmp_path / "a.any", shapes), "--reference", "Tumor") for write in WRITERS.values()
    ]
    assert found[1:] == found[:-1]


def test_a_tile_that_two_classes_share_alike_has_neither(tmp_path: Path) -> None:
    names = ("Necrosis", "Vessel")
    tiles = []
    for name in names:
        shapes = [Shape("Tumor", box(0, 0, 512 - 32, 1024)), Shape(name, box(512 - 32, 0, 512, 1024))]
        found = evaluated(tmp_path, qupath(tmp_path / f"{name}.geojson", shapes), "--reference", "Tumor")
        tiles.append((found["classes"]["Tumor"]["tiles"], found["classes"][name]["tiles"], found["unlabelled"]))
    assert tiles[0] == tiles[1] == (112, 128, 16)


def test_a_reference_that_no_annotation_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = qupath(tmp_path / "a.geojson", [Shape("Tumor", TUMOR), Shape("Stroma", STROMA)])
    scored(tmp_path / "out/a")
    command = ["evaluate", str(tmp_path / "out"), "--annotations", str(path), "--reference", "Tumor"]
    assert run([*command, "--reference", "Tumour 2", "-q"]) == 2
    assert (
        "--reference Tumour 2: no annotation has this class; did you mean 'Tumor'? Classes: Stroma, Tumor."
        in capsys.readouterr().err
    )


def test_only_objects_without_a_class_are_nothing_to_judge_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "out/a")
    path = qupath(tmp_path / "a.geojson", [Shape("", TUMOR)])
    assert run(["evaluate", str(tmp_path / "out"), "--annotations", str(path), "--reference", "Tumor", "-q"]) == 2
    assert "nothing to judge by. Classes in this file: none. Left out: 1 without a class." in capsys.readouterr().err


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "tiny.tif"
    write_synthetic_slide(path, width=1024, height=1024, seed=3)
    return path


def trained_on(slide: Path, annotations: Path, folder: Path, name: str = "Tumor") -> set[tuple[int, int]]:
    options = ReferenceOptions(TilingSettings(None, 64), annotations=annotations, class_name=name, num_workers=1)
    reader = ReferenceReader(options, TissueConfig(), folder, Reporter(quiet=True), overwrite=True)
    places = reader.read([str(slide)]).parts[0].index.location  # type: ignore[attr-defined]
    return {tuple(place) for place in np.asarray(places).tolist()}


def test_training_leaves_the_inner_annotation_out_whatever_its_name(slide: Path, tmp_path: Path) -> None:
    whole = Shape("Tumor", box(0, 0, 1024, 1024))
    everywhere = trained_on(slide, qupath(tmp_path / "a.geojson", [whole]), tmp_path / "tiles")
    for inner in ("Necrosis", "Vessel", "Ignore*"):
        nested = qupath(tmp_path / "b.geojson", [Shape(inner, box(256, 256, 512, 512)), whole])
        around = trained_on(slide, nested, tmp_path / "tiles")
        inside = {(x, y) for x, y in everywhere if 256 <= x < 768 and 256 <= y < 768}
        assert inside
        assert around == everywhere - inside


def test_training_takes_derived_classes_and_xml(slide: Path, tmp_path: Path) -> None:
    derived = trained_on(slide, qupath(tmp_path / "a.geojson", [Shape("Tumor: Positive", TUMOR)]), tmp_path / "tiles")
    xml = trained_on(slide, WRITERS["ASAP XML"](tmp_path / "a.xml", [Shape("Tumor", TUMOR)]), tmp_path / "tiles")
    assert derived == xml
    with pytest.raises(AnnotationError, match=r"Left out: 1 without a class"):
        trained_on(slide, qupath(tmp_path / "b.geojson", [Shape("", TUMOR)]), tmp_path / "tiles")


def info(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(["info", *map(str, arguments)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_info_says_what_a_file_holds_and_what_does_not_count(
    slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = [
        Shape("Tumor", box(0, 0, 1000, 1000)), Shape("Necrosis", box(0, 0, 500, 500)),
        Shape("Ignore*", box(0, 0, 9, 9)), Shape("", box(0, 0, 20, 20)), Shape("Reference", [[3, 4]], is_point=True),
    ]  # fmt: skip
    path = qupath(tmp_path / "tiny.geojson", shapes)
    told = info(capsys, "--annotations", path)
    for words in (
        "format QuPath GeoJSON", "Tumor: 1 object, 750,000 px²", "points Reference: 1",
        "left out 1 without a class, 1 of class Ignore*", "2 outlines overlap smaller ones",
    ):  # fmt: skip
        assert words in told
    assert "Tumor: 1 object, 0.1875 mm²" in info(capsys, "--annotations", path, "--mpp", "0.5")
    told = info(capsys, slide, "--annotations", tmp_path)
    assert "mm²" in told
    assert "on the slide yes, all" in told


def test_info_warns_of_annotations_beside_the_slide(
    slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = [Shape("Tumor", box(0, 0, 10, 10)), Shape("Tumor", box(5000, 0, 10, 10)), Shape("A", box(1000, 0, 99, 9))]
    told = info(capsys, "--annotations", qupath(tmp_path / "a.geojson", shapes), "--slide", slide)
    assert "WARNING: 1 of 3 outlines and points lie outside; 1 reach beyond its edge. The slide has 1,024 x" in told


def test_info_needs_a_slide_or_annotations(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info"]) == 2
    assert "--annotations" in capsys.readouterr().err


def test_detections_count_if_asked_for(tmp_path: Path) -> None:
    features = [feature(TUMOR, "Tumor"), feature(STROMA, "Stroma")]
    for one in features:
        one["properties"]["objectType"] = "detection"
    (tmp_path / "a.geojson").write_text(json.dumps(features))
    found = evaluated(tmp_path, tmp_path / "a.geojson", "--reference", "Tumor", "--objects", "detection")
    assert found["classes"]["Tumor"]["tiles"] == 128
