"""The scripts for QuPath, compiled and run by Groovy with JavaFX and stand-ins of QuPath's classes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.export.groovy_tool import Groovy
from tests.export.stores import Scene, make_store
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.open_store import ExportSettings
from wsi_haloae.export.qupath_scripts import (
    PROJECT_SCRIPTS,
    groovy_literal,
    write_command_scripts,
    write_project_scripts,
)

HOSTILE = 'it\'s "$HOME" ${1/0} \\u0027 C:\\new\\temp 切片.svs'
SCENE = Scene(bounds=(100, 57, 801, 600), stride=32, tile_size=64, display_range=(-0.5, 1e-3), name=HOSTILE)
IMAGE = {"name": "slide.svs", "uri": "file:///data/a%20folder/slide.svs", "width": 801, "height": 600}
OTHER = {"name": "other.svs", "uri": "file:///C:/data/other.svs", "width": 5, "height": 6}
DRAWN = [
    {"type": "annotation", "name": None, "pathClass": "Tumor"},
    {"type": "annotation", "name": "mine", "pathClass": None},
]
OURS = [
    {"type": "annotation", "name": "Anomalous region 7", "pathClass": "Anomaly"},
    {"type": "tile", "name": "tile 99_99", "pathClass": None},
    {"type": "tile", "name": "5 tiles from 3_4", "pathClass": None},
    {"type": "tile", "name": None, "pathClass": None},
]


REFUSED = {
    "a listener without types": ("show_heatmap", "ObservableValue observable, Object before, Object after", "o, b, a"),
    "a class without import": ("show_heatmap", "import javafx.beans.value.ObservableValue", ""),
    "JavaFX's arguments in another order": ("show_tiles", "Alert.AlertType.WARNING, words", "words, null"),
    "the name of an older version": ("show_tiles", ".setFillDetections(", ".setFillObjects("),
    "the package of an older version": ("show_tiles", "gui.tools.MeasurementMapper", "gui.helpers.MeasurementMapper"),
    "an argument of another type": ("show_tiles", "'Anomaly score', tiles)", "'Anomaly score', file)"),
    "a setting of another type": ("score_this_slide", "'wsiHaloaeModel', ''", "'wsiHaloaeModel', null as File"),
    "a handler that does not exist": ("train_here", "window.setOnHidden", "window.onClosed"),
    "an argument too few": ("import_project", "removeObjects(ours(kind), true)", "removeObjects(ours(kind))"),
    "an option of another type": ("export_annotations", "'FEATURE_COLLECTION'", "true"),
    "a property of an object that has none": ("export_annotations", "it.getName()", "it.title"),
}  # fmt: skip
"""Faults that QuPath would meet: the script, what stands there, what would be wrong."""


@pytest.fixture(scope="module")
def results_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with a name that is hard on scripts, and one slide in it."""
    output = tmp_path_factory.mktemp("qu'path") / "$out \\ 'put'"
    source = write_exports(
        make_store(output.parent / "scores.zarr", SCENE), output / "slide",
        ExportSettings(gz=True), ("tiles", "regions", "overlay", "scripts"),
    )  # fmt: skip
    assert source.tiles.selection is None
    write_project_scripts(output)
    write_command_scripts(output / "commands", Path("C:\\Users\\o'neil\\$x\\wsi-haloae.exe"))
    return output


def test_all_scripts_compile_with_the_types_of_their_calls_checked(groovy: Groovy, results_folder: Path) -> None:
    scripts = sorted(results_folder.rglob("*.groovy"))
    assert len(scripts) == 6
    assert groovy.errors(scripts) == [[]] * 6


def test_what_qupath_would_refuse_is_refused_here(groovy: Groovy, results_folder: Path, tmp_path: Path) -> None:
    texts = {script.stem: script.read_text(encoding="utf-8") for script in results_folder.rglob("*.groovy")}
    scripts = {fault: tmp_path / f"{place}.groovy" for place, fault in enumerate(REFUSED)}
    for fault, (name, right, wrong) in REFUSED.items():
        assert right in texts[name]
        scripts[fault].write_text(texts[name].replace(right, wrong), encoding="utf-8")
    errors = dict(zip(REFUSED, groovy.errors(list(scripts.values())), strict=True))
    assert [fault for fault, said in errors.items() if not said] == []


@pytest.fixture(scope="module")
def ran(groovy: Groovy, results_folder: Path) -> dict[str, dict[str, Any]]:
    """What became of each step."""
    slide = results_folder / "slide"
    heatmap, tiles = slide / "show_heatmap.groovy", slide / "show_tiles.groovy"
    imports, exports = results_folder / "import_project.groovy", results_folder / "export_annotations.groovy"
    steps = {
        "heatmap": {"script": heatmap, "path": heatmap, "image": IMAGE},
        "heatmap again": {"script": heatmap, "path": heatmap, "image": IMAGE, "leave": True},
        "heatmap, asked": {"script": heatmap, "image": IMAGE, "answer": slide, "leave": True},
        "heatmap, cancelled": {"script": heatmap, "image": IMAGE},
        "heatmap, other image": {"script": heatmap, "path": heatmap, "image": OTHER},
        "heatmap, no image": {"script": heatmap, "path": heatmap},
        "tiles": {"script": tiles, "path": tiles, "image": IMAGE, "objects": [*DRAWN, *OURS]},
        "import": {"script": imports, "path": imports, "image": IMAGE, "objects": [*DRAWN, *OURS]},
        "import, other": {"script": imports, "path": imports, "image": OTHER},
        "import, asked": {"script": imports, "image": IMAGE, "answer": results_folder},
        "import, remembered": {"script": imports, "image": IMAGE, "batch": 1},
        "export": {"script": exports, "path": exports, "image": OTHER, "objects": [*DRAWN, *OURS]},
        "export, nothing": {"script": exports, "path": exports, "image": OTHER, "objects": OURS},
    }
    return groovy.run(steps)


def test_the_heatmap_lies_where_the_overlay_says(ran: dict[str, dict[str, Any]]) -> None:
    found = ran["heatmap"]
    # Cells are shifted by half of what a tile exceeds its stride, 16 pixels; QuPath counts from the bounds.
    place = {"x": 16 - 100, "y": 16 - 57, "width": 31 * 32, "height": 22 * 32}
    [layer] = found["layers"]
    assert {key: layer[key] for key in place} == place
    assert layer["pixels"] == [31, 22]
    assert layer["first"].startswith("99")  # an opacity of 0.6
    assert found["options"]["heatmap"]
    assert HOSTILE in found["said"]
    assert not found["alerts"]


def test_running_again_replaces_the_heatmap_and_another_image_takes_it_away(ran: dict[str, dict[str, Any]]) -> None:
    assert len(ran["heatmap again"]["layers"]) == 1
    assert ran["heatmap again"]["left"] == {"layers": 0, "listens": False}
    assert len(ran["heatmap, asked"]["layers"]) == 1


@pytest.mark.parametrize("step", ["heatmap, other image", "heatmap, no image", "heatmap, cancelled"])
def test_what_keeps_the_heatmap_away_is_told(ran: dict[str, dict[str, Any]], step: str) -> None:
    assert ran[step]["layers"] == []
    assert len(ran[step]["alerts"]) == 1
    assert "801 x 600" in ran[step]["alerts"][0] or step != "heatmap, other image"


def test_tiles_have_the_colours_and_the_range_of_the_pictures(ran: dict[str, dict[str, Any]]) -> None:
    measurement, low, high, colours = ran["tiles"]["mapper"]
    assert (measurement, low, high) == ("Anomaly score", -0.5, 0.001)
    assert (colours[0], colours[-1]) == ("313695", "a50026")
    assert ran["tiles"]["options"]["filled"]


def test_what_an_earlier_import_left_is_replaced_and_what_people_drew_stays(ran: dict[str, dict[str, Any]]) -> None:
    for step in ("tiles", "import"):
        names = [name for _, name, _ in ran[step]["objects"]]
        assert "mine" in names
        assert not {"tile 99_99", "5 tiles from 3_4"} & set(names)
        assert names.count(None) == 2
        assert "tile 3_4" in names
    assert "Anomalous region 7" in [name for _, name, _ in ran["tiles"]["objects"]]
    assert "Anomalous region 7" not in [name for _, name, _ in ran["import"]["objects"]]


def test_images_are_found_by_their_files_names(ran: dict[str, dict[str, Any]]) -> None:
    assert ran["import"]["said"].startswith("slide: 0 regions, ")
    assert "other: NO RESULTS" in ran["import, other"]["said"]
    assert ran["import, asked"]["said"] == ran["import, remembered"]["said"] == ran["import"]["said"]


def test_annotations_are_exported_for_the_annotations_option_without_our_own(
    ran: dict[str, dict[str, Any]], results_folder: Path
) -> None:
    path = str(results_folder / "annotations" / "other.geojson")
    assert ran["export"]["exported"] == [{"path": path, "objects": [None, "mine"], "options": ["FEATURE_COLLECTION"]}]
    assert ran["export, nothing"]["exported"] == []
    assert ran["export, nothing"]["said"].strip() == "other: no annotations"


def test_scripts_are_the_same_wherever_they_lie(tmp_path: Path, results_folder: Path) -> None:
    for name in ("one", "two"):
        write_project_scripts(tmp_path / name)
        write_exports(make_store(tmp_path / f"{name}.zarr", SCENE), tmp_path / name / "slide", formats=("scripts",))
    first, second = (sorted((tmp_path / name).rglob("*.groovy")) for name in ("one", "two"))
    assert len(first) == 4
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.read_bytes().isascii()
        assert str(tmp_path) not in one.read_text()


def test_names_become_literals_that_end_where_they_should() -> None:
    assert groovy_literal("a'b\\c\"$d\n") == "'a\\'b\\\\c\"$d\\n'"
    assert groovy_literal("é𝄞") == "'\\u00e9\\ud834\\udd1e'"


def test_runs_may_write_the_scripts_of_a_project_at_once(tmp_path: Path) -> None:
    for name in PROJECT_SCRIPTS:
        (tmp_path / name).write_text("of another version", encoding="utf-8")
    with ThreadPoolExecutor(4) as runs:
        list(runs.map(write_project_scripts, [tmp_path] * 20))
    write_project_scripts(tmp_path / "alone")
    assert {path.name for path in tmp_path.iterdir()} == {*PROJECT_SCRIPTS, "alone"}
    for name in PROJECT_SCRIPTS:
        assert (tmp_path / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
