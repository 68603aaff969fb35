"""annotation.dsa.json by the schema of Digital Slide Archive itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft6Validator

from tests.export.stores import Scene, make_store
from wsi_haloae.calibration.selection import USUAL, Criterion
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.open_store import ExportSettings
from wsi_haloae.stores.sharded import TileState

SCHEMA = json.loads(Path(__file__).with_name("dsa").joinpath("annotation.schema.json").read_text(encoding="utf-8"))
"""Of large_image's plugin of annotations, as its package on PyPI has it; the package itself needs a whole server."""
BOUNDED = Scene(bounds=(100, 57, 801, 600), stride=32, name="a\x1bb.svs")


def written(folder: Path, scene: Scene, criterion: Criterion, **columns: Any) -> dict[str, Any]:
    store = make_store(folder / "scores.zarr", scene, **columns)
    write_exports(store, folder, ExportSettings(criterion), ("dsa",))
    found: dict[str, Any] = json.loads((folder / "annotation.dsa.json").read_text(encoding="utf-8"))
    Draft6Validator(SCHEMA).validate(found)  # of the draft that the plugin itself asks for
    return found


@pytest.mark.parametrize("scene", [Scene(), BOUNDED], ids=["plain", "bounds"])
def test_it_obeys_the_schema_and_has_all_scores(tmp_path: Path, scene: Scene) -> None:
    heatmap, *regions = written(tmp_path, scene, Criterion(threshold=50.0))["elements"]
    assert heatmap["type"] == "heatmap"
    assert len(heatmap["colorRange"]) == len(heatmap["rangeValues"]) == 11
    assert (heatmap["rangeValues"][0], heatmap["rangeValues"][-1]) == (0, 255)
    assert heatmap["colorRange"][0].endswith(",0)"), "what is like the reference stays clear"
    assert regions[0]["closed"]
    assert regions[0]["user"]["Tiles in region"] > 1
    assert regions[0]["points"][0] != regions[0]["points"][-1]


def test_tiles_lie_where_the_viewer_counts_from(tmp_path: Path) -> None:
    """large_image crops to the slide's bounds: the tile at (128, 64) of level 0 is at (28, 7)."""
    points = written(tmp_path, BOUNDED, USUAL)["elements"][0]["points"]
    assert [28 + 32, 7 + 32, 0] in [point[:3] for point in points]
    assert all(0 < x < 801 and 0 < y < 600 for x, y, _, _ in points)


def test_only_tiles_with_a_score_are_in_it(tmp_path: Path) -> None:
    tiles = Scene().grid.rows * Scene().grid.columns
    state = np.full(tiles, TileState.DONE, np.uint8)
    state[3] = TileState.UNREADABLE
    annotation = written(tmp_path, Scene(), USUAL, state=state)
    assert len(annotation["elements"][0]["points"]) == tiles - 1
    assert annotation["attributes"]["Criterion"] == ""


def test_without_any_score_it_is_empty(tmp_path: Path) -> None:
    tiles = Scene().grid.rows * Scene().grid.columns
    state = np.full(tiles, TileState.UNREADABLE, np.uint8)
    assert written(tmp_path, Scene(), USUAL, state=state)["elements"] == []
