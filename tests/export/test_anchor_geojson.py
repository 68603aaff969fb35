"""anchors.geojson: what the viewer writes and `export --anchors` reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.export.stores import Scene, make_index
from wsi_haloae.annotations.anchors import anchor_tiles
from wsi_haloae.errors import AnnotationError
from wsi_haloae.export.anchor_geojson import write_anchor_geojson
from wsi_haloae.slide.properties import Bounds


@pytest.mark.parametrize("bounds", [None, (100, 90, 800, 600)])
@pytest.mark.parametrize(("stride", "scale"), [(64, 1.0), (64, 1.37), (48, 1.0), (32, 1.0), (16, 1.37)])
def test_the_same_tiles_come_back_even_if_tiles_overlap(
    stride: int, scale: float, bounds: tuple[int, int, int, int] | None, tmp_path: Path
) -> None:
    scene = Scene(bounds=bounds, stride=stride, l0_scale_x=scale, l0_scale_y=scale)
    index, known = make_index(scene), bounds and Bounds(*bounds)
    left, top, width, height = bounds or (0, 0, scene.width, scene.height)
    centres = index.location + index.size / 2
    inside = np.flatnonzero(((centres > [left, top]) & (centres < [left + width, top + height])).all(axis=1))
    marked = inside[[3, 4, 6, len(inside) // 2, -1]]
    write_anchor_geojson(tmp_path / "anchors.geojson", scene.header, index, marked)
    found = anchor_tiles(tmp_path / "anchors.geojson", known or None, index.location, index.size)
    assert found.tolist() == marked.tolist()


def test_qupath_can_read_it_and_a_person_can_change_it(tmp_path: Path) -> None:
    scene, path = Scene(), tmp_path / "anchors.geojson"
    index = make_index(scene)
    write_anchor_geojson(path, scene.header, index, np.array([17, 18]))
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    for feature in document["features"]:
        assert feature["properties"]["objectType"] == "annotation"
        assert feature["properties"]["isLocked"] is False
        assert feature["properties"]["classification"]["name"] == "Reference"
    assert len({feature["id"] for feature in document["features"]}) == 2
    ring = document["features"][0]["geometry"]["coordinates"][0]
    ring[0] = ring[-1] = [ring[0][0] + 1, ring[0][1]]  # no longer a tile's outline, but still most of a tile
    path.write_text(json.dumps(document))
    assert anchor_tiles(path, None, index.location, index.size).tolist() == [17, 18]


def test_a_file_without_tiles_is_refused(tmp_path: Path) -> None:
    scene = Scene()
    write_anchor_geojson(tmp_path / "a.geojson", scene.header, make_index(scene), np.empty(0, np.int64))
    with pytest.raises(AnnotationError, match="marks no scored tile"):
        anchor_tiles(tmp_path / "a.geojson", None, make_index(scene).location, make_index(scene).size)
