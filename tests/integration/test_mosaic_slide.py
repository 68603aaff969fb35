"""The recipe that lays tiles out as a slide, from its command line to the commands that read the slide."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.forked import start
from tests.data_paths import REPOSITORY
from tests.synthetic.tile_folders import write_tiles
from wsi_haloae.cli.main import run
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.experiments.mosaic import MosaicSources, make_mosaic
from wsi_haloae.progress import Reporter
from wsi_haloae.synthetic.mosaic import MosaicSettings

SETTINGS = MosaicSettings(0.5, 14, 14, share=0.2, regions=1)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    write_tiles(folder / "first" / "tumour", 30)
    write_tiles(folder / "second" / "malignant", 20)
    write_tiles(folder / "first" / "fat", 10)
    (folder / "empty").mkdir()
    return folder


def make(
    output: Path, reference: list[Path | str], anomalous: list[Path | str], group_regex: str | None = None,
    settings: MosaicSettings = SETTINGS, overwrite: bool = False, reporter: Reporter | None = None,
) -> str:  # fmt: skip
    sources = MosaicSources([str(given) for given in reference], [str(given) for given in anomalous], group_regex)
    return make_mosaic(sources, output, settings, "lossless", reporter or Reporter(quiet=True), overwrite=overwrite)


def classes_of(table: Path) -> dict[str, set[str]]:
    """The folders that the tiles of each class come from."""
    found: dict[str, set[str]] = {}
    with table.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            found.setdefault(line["class"], set()).add(Path(line["source"]).parent.name)
    return found


def test_the_recipe_writes_a_slide_that_info_describes(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slide = tmp_path / "out" / "mosaic.tif"
    said = tmp_path / "said.txt"
    command = [
        "--reference", str(tiles / "first" / "tumour"), "--anomalous", str(tiles / "first" / "fat"),
        "--mpp", "0.62", "--rows", "14", "--columns", "15", "--share", "0.2", "--regions", "1",
        "--group-regex", "p[0-9]+", "--compression", "jpeg", "-o", str(slide),
    ]  # fmt: skip
    recipe = REPOSITORY / "pipelines" / "mosaic_slide.py"
    done = start(recipe, *command, said=said)
    done.join(300)
    assert done.exitcode == 0, said.read_text()
    assert "15 columns x 14 rows of 32 px (480 x 448 pixels)" in said.read_text()
    assert "tumour" in said.read_text() and "from 10 files, each used" in said.read_text()
    assert "warning" not in said.read_text()
    assert {path.name for path in slide.parent.iterdir()} == {"mosaic.tif", "mosaic.truth.geojson", "mosaic.tiles.csv"}
    assert run(["info", str(slide), "--tile-size", "32"]) == 0
    told = capsys.readouterr().out
    for expected in ("generic-tiff", "480 x 448", "x 0.62, y 0.62", "15 columns x 14 rows"):
        assert expected in told
    again = start(recipe, *command, said=said)
    again.join(300)
    assert again.exitcode == 2
    assert "--overwrite" in said.read_text() and "Traceback" not in said.read_text()


def test_folders_of_one_class_are_taken_together(tiles: Path, tmp_path: Path) -> None:
    reference: list[Path | str] = [f"Tumor={tiles / 'first' / 'tumour'}", f"Tumor={tiles / 'second' / 'malignant'}"]
    told = make(tmp_path / "m.tif", reference, [f"Normal={tiles / 'first' / 'fat'}"])
    assert classes_of(tmp_path / "m.tiles.csv") == {"Tumor": {"tumour", "malignant"}, "Normal": {"fat"}}
    features = json.loads((tmp_path / "m.truth.geojson").read_text(encoding="utf-8"))["features"]
    assert {feature["properties"]["classification"]["name"] for feature in features} == {"Tumor", "Normal"}
    assert "from 50 files" in told


def test_a_folder_with_an_equals_sign_is_a_folder(tiles: Path, tmp_path: Path) -> None:
    write_tiles(tmp_path / "stain=he", 30)
    make(tmp_path / "m.tif", [tmp_path / "stain=he"], [tiles / "first" / "fat"])
    assert set(classes_of(tmp_path / "m.tiles.csv")) == {"stain=he", "fat"}


def test_without_an_expression_each_file_is_its_own_group_and_that_is_told(tiles: Path, tmp_path: Path) -> None:
    reporter = Reporter(quiet=True)
    make(tmp_path / "m.tif", [tiles / "first" / "tumour"], [tiles / "first" / "fat"], reporter=reporter)
    assert any("--group-regex" in warning for warning in reporter.warnings)
    with (tmp_path / "m.tiles.csv").open(newline="", encoding="utf-8") as file:
        assert all(line["group"] == line["source"] for line in csv.DictReader(file))


def test_an_output_is_replaced_only_if_asked_for(tiles: Path, tmp_path: Path) -> None:
    reference: list[Path | str] = [tiles / "first" / "tumour"]
    for name in ("m.tif", "m.truth.geojson", "m.tiles.csv"):
        (tmp_path / name).write_text("somebody's")
        with pytest.raises(OutputExistsError, match="--overwrite"):
            make(tmp_path / "m.tif", reference, [tiles / "first" / "fat"])
        assert (tmp_path / name).read_text() == "somebody's"
        make(tmp_path / "m.tif", reference, [tiles / "first" / "fat"], overwrite=True)
        for path in tmp_path.iterdir():
            assert b"somebody's" not in path.read_bytes()[:20]
            path.unlink()


def test_what_cannot_be_used_is_refused_before_anything_is_written(tiles: Path, tmp_path: Path) -> None:
    tumour, fat, malignant = tiles / "first" / "tumour", tiles / "first" / "fat", tiles / "second" / "malignant"
    cases: list[tuple[str, list[Path | str], list[Path | str], str]] = [
        ("empty: no image", [tiles / "empty"], [fat], "m.tif"),
        ("absent: no such folder", [tiles / "absent"], [fat], "m.tif"),
        ("absent: no such folder", [f"Tumor={tiles / 'absent'}"], [fat], "m.tif"),
        ("named tumour, malignant.*--reference tumour=FOLDER", [tumour, malignant], [fat], "m.tif"),
        ("fat is both", [f"fat={tumour}"], [fat], "m.tif"),
        ("--share 0", [tumour], [], "m.tif"),
        ("given twice", [tumour], [tiles / "first"], "m.tif"),
        ("such as mosaic.tif", [tumour], [fat], "m.svs"),
    ]
    for told, reference, anomalous, name in cases:
        with pytest.raises(UsageError, match=told):
            make(tmp_path / "out" / name, reference, anomalous)
    with pytest.raises(UsageError, match="does not match"):
        make(tmp_path / "out" / "m.tif", [tumour], [fat], "q[0-9]")
    with pytest.raises(UsageError, match="--max-uses"):
        make(tmp_path / "out" / "m.tif", [tumour], [fat], settings=replace(SETTINGS, max_uses=1))
    assert not (tmp_path / "out").exists()
