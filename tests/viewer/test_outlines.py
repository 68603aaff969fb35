"""Outlines in pixels of level 0, however QuPath counts, and never too many points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from tests.export.stores import Scene
from tests.viewer.scored import rectangle
from wsi_haloae.viewer import outlines
from wsi_haloae.viewer.outlines import outlines_of


def write(path: Path, *features: object) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_what_qupath_counts_from_the_bounds_is_counted_from_the_slide(tmp_path: Path) -> None:
    slide = Scene(bounds=(100, 50, 800, 600)).slide
    told = outlines_of(slide, write(tmp_path / "a.geojson", rectangle(0, 0, 10, 20, "Tumor")), None)
    corners = np.reshape(told["layers"][0]["rings"][0], (-1, 2))
    assert [*corners.min(axis=0), *corners.max(axis=0)] == [100, 50, 110, 70]
    assert told["messages"] == []


def test_a_hole_is_a_ring_of_its_own(tmp_path: Path) -> None:
    feature = rectangle(0, 0, 100, 100, "Tumor")
    feature["geometry"]["coordinates"].append([[20, 20], [40, 20], [40, 40], [20, 40], [20, 20]])
    told = outlines_of(Scene().slide, write(tmp_path / "a.geojson", feature), None)
    assert sorted(len(ring) for ring in told["layers"][0]["rings"]) == [10, 10]


def test_annotations_and_regions_are_told_apart(tmp_path: Path) -> None:
    people = write(tmp_path / "scene.geojson", rectangle(0, 0, 9, 9, "Tumor"), rectangle(20, 20, 9, 9, "Stroma"))
    regions = write(tmp_path / "regions.geojson", rectangle(0, 0, 9, 9, "Anomaly"))
    layers = outlines_of(Scene().slide, tmp_path, regions)["layers"]
    assert people.is_file()
    assert [(layer["title"], layer["name"]) for layer in layers] == [
        ("Annotations", "Tumor"), ("Annotations", "Stroma"), ("Regions", "Anomaly"),
    ]  # fmt: skip


def test_a_broken_file_is_a_message_and_the_other_is_shown(tmp_path: Path) -> None:
    (tmp_path / "broken.geojson").write_text("{")
    regions = write(tmp_path / "regions.geojson", rectangle(0, 0, 9, 9, "Anomaly"))
    told = outlines_of(Scene().slide, tmp_path / "broken.geojson", regions)
    assert len(told["layers"]) == 1
    assert "cannot be read as GeoJSON" in told["messages"][0]


def test_an_empty_file_has_no_layers(tmp_path: Path) -> None:
    assert outlines_of(Scene().slide, write(tmp_path / "a.geojson"), None) == {"layers": [], "messages": []}


def test_too_many_points_are_simplified_and_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    circle = shapely.Point(500, 400).buffer(300, quad_segs=20_000)
    feature = rectangle(0, 0, 1, 1, "Tumor") | {"geometry": shapely.geometry.mapping(circle)}
    path = write(tmp_path / "a.geojson", feature)
    many = outlines_of(Scene().slide, path, None)["layers"][0]["rings"][0]
    assert len(many) > 2 * 39_000
    monkeypatch.setattr(outlines, "MOST_POINTS", 1000)
    few = outlines_of(Scene().slide, path, None)["layers"][0]["rings"][0]
    assert 20 < len(few) <= 2000
    points = np.reshape(few, (-1, 2))
    np.testing.assert_allclose(np.hypot(*(points - [500, 400]).T), 300, atol=0.6)


def test_inner_outlines_are_cut_from_those_around_and_containers_are_shown(tmp_path: Path) -> None:
    outer, inner, parent = (
        rectangle(0, 0, 50, 50, "Tumor"),
        rectangle(10, 10, 9, 9, "Vessel"),
        rectangle(0, 0, 90, 90, ""),
    )
    told = outlines_of(Scene().slide, write(tmp_path / "a.geojson", parent, outer, inner), None)
    assert [(layer["name"], len(layer["rings"])) for layer in told["layers"]] == [
        ("Tumor", 2),
        ("Vessel", 1),
        ("no class", 1),
    ]
    assert told["messages"] == [
        "a.geojson: 1 outline overlaps smaller ones of another class, and there the smaller count."
    ]
