"""QuPath's objects: kinds, classes, what lies in what, and what becomes of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from tests.annotations.written import Shape, box, feature, qupath
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.regions import Annotations
from wsi_haloae.errors import AnnotationError


def read(folder: Path, *features: Any, objects: Objects = "annotation") -> Annotations:
    path = folder / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return read_annotations(path, None, objects)


@pytest.mark.parametrize(
    "stated",
    [
        {"properties": {"objectType": "detection"}},
        {"properties": {"object_type": "detection"}},
        {"properties": {"type": "detection"}},
        {"id": "PathDetectionObject", "properties": {}},
    ],
)
def test_detections_count_only_if_asked_for_in_all_ways_in_which_qupath_wrote_them(stated: Any, tmp_path: Path) -> None:
    one = feature(box(0, 0, 10, 10), "Tumor") | stated
    one["properties"]["classification"] = {"name": "Tumor"}
    found = read(tmp_path, one)
    assert not found.by_class
    assert found.tally.line() == "left out: 1 detection"
    with pytest.raises(AnnotationError, match=r"no annotation of class 'Tumor'.*Left out: 1 detection"):
        found.region("Tumor")
    assert read(tmp_path, one, objects="detection").region("Tumor").area == 100
    assert read(tmp_path, one, objects="all").region("Tumor").area == 100


@pytest.mark.parametrize(
    ("kind", "counted_by"),
    [
        ("annotation", {"annotation", "all"}),
        ("cell", {"detection", "all"}),
        ("tile", {"tile", "all"}),
        ("tmaCore", set()),
        ("something new", {"annotation", "all"}),
        (None, {"annotation", "all"}),
    ],
)
def test_each_kind_counts_where_it_is_asked_for(kind: str | None, counted_by: set[str], tmp_path: Path) -> None:
    one = feature(box(0, 0, 10, 10), "Tumor")
    one["properties"] |= {"objectType": kind}
    kinds: tuple[Objects, ...] = ("annotation", "detection", "tile", "all")
    assert {asked for asked in kinds if read(tmp_path, one, objects=asked).by_class} == counted_by


def test_a_parent_without_a_class_says_nothing(tmp_path: Path) -> None:
    inside = feature(box(10, 10, 20, 20), "Tumor")
    alone, with_parent = read(tmp_path, inside), read(tmp_path, feature(box(0, 0, 100, 100)), inside)
    assert list(with_parent.by_class) == ["Tumor"]
    assert with_parent.region("Tumor").equals(alone.region("Tumor"))
    assert with_parent.tally.line() == "left out: 1 without a class"
    assert with_parent.everything().area == 10_000, "as a region of interest it counts"


def test_an_object_without_a_class_inside_one_with_a_class_cuts_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, feature(box(0, 0, 100, 100), "Tumor"), feature(box(10, 10, 20, 20)))
    assert found.region("Tumor").area == 10_000


def test_what_is_ignored_is_cut_out_and_a_region_is_a_container(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        feature(box(0, 0, 100, 100), "Region*"),
        feature(box(0, 0, 50, 50), "Tumor"),
        feature(box(10, 10, 10, 10), "Ignore*"),
        feature(box(30, 30, 10, 10), "Artefact*"),
    )
    assert list(found.by_class) == ["Tumor"]
    assert found.region("Tumor").area == 2500 - 200
    assert found.everything().area == 10_000 - 200
    assert "1 of class Region*, 1 of class Artefact*, 1 of class Ignore*" in found.tally.line()


def test_objects_inside_others_are_read_however_deep(tmp_path: Path) -> None:
    deepest = feature(box(20, 20, 5, 5), "Vessel")
    middle = feature(box(10, 10, 30, 30), "Necrosis", childObjects=[deepest])
    core = feature(
        box(0, 0, 100, 100),
        objectType="tmaCore",
        childObjects=[feature(box(0, 0, 50, 50), "Tumor", childObjects=[middle])],
    )
    root = {"type": "Feature", "geometry": None, "properties": {"objectType": "root", "childObjects": [core]}}
    found = read(tmp_path, root)
    assert {name: region.area for name, region in found.by_class.items()} == {
        "Tumor": 2500 - 900, "Necrosis": 900 - 25, "Vessel": 25,
    }  # fmt: skip
    assert found.tally.kinds == {"TMA core": 1}


def test_a_child_with_the_outline_of_its_parent_is_the_inner_one(tmp_path: Path) -> None:
    parent = feature(box(0, 0, 10, 10), "Tissue", childObjects=[feature(box(0, 0, 10, 10), "Tumor")])
    found = read(tmp_path, parent)
    assert found.region("Tumor").area == 100
    assert found.region("Tissue").is_empty


def test_a_collection_counts_by_its_polygons(tmp_path: Path) -> None:
    one = feature(box(0, 0, 1, 1), "Tumor")
    square = {"type": "Polygon", "coordinates": [box(0, 0, 10, 10)]}
    line = {"type": "LineString", "coordinates": [[0, 0], [5, 5]]}
    inner = {"type": "GeometryCollection", "geometries": [square, {"type": "Point", "coordinates": [1, 2]}]}
    one["geometry"] = {"type": "GeometryCollection", "geometries": [line, inner]}
    assert read(tmp_path, one).region("Tumor").area == 100


def test_an_ellipse_is_that_of_its_bounding_box_as_in_qupath(tmp_path: Path) -> None:
    one = feature(box(10, 20, 40, 20), "Tumor")
    one["geometry"]["isEllipse"] = True
    region = read(tmp_path, one).region("Tumor")
    assert region.area == pytest.approx(np.pi * 20 * 10, rel=1e-3)
    assert region.bounds == pytest.approx((10, 20, 50, 40), abs=0.02)


def test_lines_and_points_are_counted(tmp_path: Path) -> None:
    line, point = feature(box(0, 0, 1, 1), "Tumor"), feature(box(0, 0, 1, 1), "Tumor")
    line["geometry"] = {"type": "LineString", "coordinates": [[0, 0], [5, 5]]}
    point["geometry"] = {"type": "MultiPoint", "coordinates": [[0, 0], [5, 5]]}
    found = read(tmp_path, line, point, feature(box(0, 0, 10, 10), "Tumor"))
    assert found.tally.line() == "left out: 1 point, 1 without area"
    assert found.points["Tumor"].tolist() == [[0, 0], [5, 5]]


def test_a_class_is_itself_or_else_those_derived_from_it(tmp_path: Path) -> None:
    derived = [Shape("Tumor: Positive", box(0, 0, 10, 10)), Shape("Tumor: Negative", box(20, 0, 10, 10))]
    found = read_annotations(qupath(tmp_path / "a.geojson", [*derived, Shape("Tumorous", box(50, 0, 9, 9))]), None)
    assert found.region("Tumor").area == 200
    assert found.region("Tumor: Positive").area == 100
    assert (
        "no class is called 'Tumor'; those derived from it are meant: Tumor: Positive, Tumor: Neg"
        in found.class_note("Tumor")
    )
    both = read_annotations(qupath(tmp_path / "b.geojson", [*derived, Shape("Tumor", box(40, 0, 5, 5))]), None)
    assert both.region("Tumor").area == 25
    assert "this class alone" in both.class_note("Tumor")
    assert both.class_note("Tumor: Positive") == ""


def test_overlapping_parts_of_a_multipolygon_are_united(tmp_path: Path) -> None:
    one = feature(box(0, 0, 1, 1), "Tumor")
    one["geometry"] = {"type": "MultiPolygon", "coordinates": [[box(0, 0, 10, 10)], [box(5, 0, 10, 10)]]}
    assert read(tmp_path, one).region("Tumor").equals(shapely.box(0, 0, 15, 10))


def test_what_an_outline_runs_around_twice_belongs_to_nobody(tmp_path: Path) -> None:
    loop = [[0, 0], [100, 0], [100, 100], [40, 100], [40, 40], [60, 40], [60, 120], [0, 120], [0, 0]]
    found = read(
        tmp_path, feature([[float(x), float(y)] for x, y in loop], "Tumor"), feature(box(-50, -50, 300, 300), "Stroma")
    )
    twice = shapely.box(40, 40, 60, 100)
    assert (found.tally.mended, found.tally.doubtful) == (1, 1)
    assert "1 outline runs around a piece twice, which belongs to no class" in found.tally.line()
    for region in (found.region("Tumor"), found.region("Stroma"), found.everything()):
        assert not region.intersection(twice).area


def test_a_figure_of_eight_is_mended_without_doubt(tmp_path: Path) -> None:
    found = read(tmp_path, feature([[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]], "Tumor"))
    assert found.region("Tumor").area == 50
    assert found.tally.line() == "1 outline that crossed itself was mended"
