"""QuPath GeoJSON in every form that the contract names, and coverage against a raster."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds


def ring(x: float, y: float, width: float, height: float) -> list[list[float]]:
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]


def feature(classification: Any = "Tumor", coordinates: Any = None, kind: str = "Polygon") -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": [ring(0, 0, 10, 10)] if coordinates is None else coordinates}
    properties = {"objectType": "annotation"} | ({} if classification is None else {"classification": classification})
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def written(folder: Path, document: Any, name: str = "slide.geojson") -> Path:
    data = json.dumps(document).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


@pytest.mark.parametrize("name", ["slide.geojson", "slide.geojson.gz"])
@pytest.mark.parametrize("form", [collection(feature()), [feature()], feature()], ids=["collection", "list", "one"])
def test_collection_list_and_single_feature_mean_the_same(form: Any, name: str, tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, form, name), None)
    assert list(found.by_class) == ["Tumor"]
    assert found.region("Tumor").equals(shapely.box(0, 0, 10, 10))


@pytest.mark.parametrize(
    ("classification", "name"),
    [
        ("Tumor", "Tumor"),
        ({"name": "Tumor", "color": [200, 0, 0]}, "Tumor"),
        ({"name": "Tumor: Positive"}, "Tumor: Positive"),
        (None, None),
        ({}, None),
        ({"name": None}, None),
        ({"name": "Unclassified"}, None),
        ({"names": ["Tumor", "Positive"], "color": [200, 0, 0]}, "Tumor: Positive"),
        ({"name": "Positive", "parentClass": {"name": "Tumor"}}, "Tumor: Positive"),
        ({"names": ["Tumor"]}, "Tumor"),
        ("Tumor:Positive", "Tumor: Positive"),
    ],
)
def test_a_class_is_a_string_or_an_object(classification: Any, name: str | None, tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, [feature(classification)]), None)
    assert list(found.by_class) == ([name] if name else [])
    assert found.tally.containers.total() == (name is None)


def test_properties_may_be_null(tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, [feature() | {"properties": None}]), None)
    assert not found.by_class
    assert found.everything().area == 100


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text(json.dumps(feature()), encoding="utf-8-sig")
    assert list(read_annotations(tmp_path / "a.geojson", None).by_class) == ["Tumor"]


def test_classes_to_ignore_are_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, [feature("Ignore*"), feature({"name": "Ignore*: blur"}), feature("Stroma")])
    assert list(read_annotations(path, None).by_class) == ["Stroma"]


def test_holes_are_no_part_of_a_region(tmp_path: Path) -> None:
    path = written(tmp_path, feature(coordinates=[ring(0, 0, 10, 10), ring(2, 2, 4, 4)]))
    assert read_annotations(path, None).region("Tumor").area == 84


def test_multipolygons_with_holes_are_taken_whole(tmp_path: Path) -> None:
    parts = [[ring(0, 0, 10, 10), ring(2, 2, 4, 4)], [ring(20, 20, 5, 5)]]
    region = read_annotations(written(tmp_path, feature(coordinates=parts, kind="MultiPolygon")), None).region("Tumor")
    assert region.area == 84 + 25


def test_regions_of_one_class_are_united_and_overlaps_count_once(tmp_path: Path) -> None:
    path = written(
        tmp_path, [feature(), feature(coordinates=[ring(5, 0, 10, 10)]), feature("Stroma", [ring(20, 0, 10, 10)])]
    )
    found = read_annotations(path, None)
    assert found.region("Tumor").area == 150
    assert found.region("Stroma").area == 100
    assert found.everything().area == 250


def test_a_polygon_that_crosses_itself_is_mended(tmp_path: Path) -> None:
    path = written(tmp_path, feature(coordinates=[[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]))
    assert read_annotations(path, None).region("Tumor").area == 50


@pytest.mark.parametrize(
    ("kind", "coordinates"), [("Point", [1, 2]), ("LineString", [[0, 0], [5, 5]]), ("MultiPoint", [[1, 2]])]
)
def test_points_and_lines_have_no_area_and_are_skipped(kind: str, coordinates: Any, tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, [feature(kind=kind, coordinates=coordinates)]), None)
    assert found.by_class == {}
    with pytest.raises(AnnotationError, match="no polygon"):
        found.everything()


def test_the_slides_bounds_are_added(tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, feature()), Bounds(100, 50, 900, 900))
    assert found.region("Tumor").bounds == (100, 50, 110, 60)


def test_a_class_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    found = read_annotations(written(tmp_path, [feature("Tumor"), feature("Stroma")]), None)
    with pytest.raises(AnnotationError, match=r"'tumour'.*Stroma, Tumor"):
        found.region("tumour")


def test_annotations_are_found_by_the_slides_stem(tmp_path: Path) -> None:
    plain = written(tmp_path, feature(), "a.geojson")
    zipped = written(tmp_path, feature(), "b.geojson.gz")
    assert find_annotations(tmp_path, Path("slides/a.svs")) == plain
    assert find_annotations(tmp_path, Path("slides/b.svs")) == zipped
    assert find_annotations(plain, Path("slides/b.svs")) == plain
    with pytest.raises(AnnotationError, match=r"no c\.geojson"):
        find_annotations(tmp_path, Path("slides/c.svs"))


NOT_GEOJSON = {
    "empty": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "number": b"3",
    "null": b"null",
    "text": b'"Feature"',
    "bare geometry": b'{"type": "Polygon", "coordinates": []}',
    "type is a list": b'{"type": []}',
    "no features": b'{"type": "FeatureCollection"}',
    "features is an object": b'{"type": "FeatureCollection", "features": {}}',
    "features is null": b'{"type": "FeatureCollection", "features": null}',
    "nested without end": b"[" * 100_000,
    "number beyond all": b"[" + b"9" * 5000 + b"]",
    "a feature is a number": b"[3]",
    "a feature is null": b"[null]",
}


@pytest.mark.parametrize("content", NOT_GEOJSON.values(), ids=NOT_GEOJSON.keys())
def test_what_is_no_geojson_is_an_annotation_error_that_names_the_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "slide.geojson").write_bytes(content)
    with pytest.raises(AnnotationError, match=r"slide\.geojson"):
        read_annotations(tmp_path / "slide.geojson", None)


BROKEN_GEOMETRY: dict[str, Any] = {
    "null": None,
    "a string": "Polygon",
    "no coordinates": {"type": "Polygon"},
    "coordinates null": {"type": "Polygon", "coordinates": None},
    "coordinates a number": {"type": "Polygon", "coordinates": 3},
    "coordinates words": {"type": "Polygon", "coordinates": [[["a", "b"]] * 4]},
    "coordinates null inside": {"type": "Polygon", "coordinates": [[[None, None]] * 4]},
    "two points": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
    "ragged": {"type": "Polygon", "coordinates": [[[0, 0], [1], [1, 1], [0, 0]]]},
    "too shallow": {"type": "Polygon", "coordinates": [[0, 0], [1, 1], [2, 0]]},
    "multi too shallow": {"type": "MultiPolygon", "coordinates": [ring(0, 0, 1, 1)]},
    "not finite": {"type": "Polygon", "coordinates": [[[0, 0], [float("nan"), 1], [1, 1], [0, 0]]]},
    "infinite": {"type": "Polygon", "coordinates": [[[0, 0], [float("inf"), 1], [1, 1], [0, 0]]]},
}


@pytest.mark.parametrize("geometry", BROKEN_GEOMETRY.values(), ids=BROKEN_GEOMETRY.keys())
def test_a_broken_polygon_is_an_annotation_error_that_names_its_number(geometry: Any, tmp_path: Path) -> None:
    path = written(tmp_path, [feature(), feature() | {"geometry": geometry}])
    with pytest.raises(AnnotationError, match=r"slide\.geojson: feature 1 "):
        read_annotations(path, None)


def test_a_geometry_of_unknown_type_is_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, [feature(), feature() | {"geometry": {"type": ["Polygon"]}}])
    assert read_annotations(path, None).region("Tumor").area == 100


@pytest.mark.parametrize("spoil", [lambda d: d[:-9], lambda d: b"no gzip", lambda d: d[:20] + b"\xff\xff" + d[22:]])
def test_a_broken_gzip_is_an_annotation_error(spoil: Any, tmp_path: Path) -> None:
    path = written(tmp_path, [feature()] * 20, "slide.geojson.gz")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations(path, None)


def test_a_file_that_is_not_there_is_an_annotation_error(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations(tmp_path / "absent.geojson", None)


BOXES = st.tuples(st.integers(-5, 40), st.integers(-5, 40), st.integers(1, 25), st.integers(1, 25))


@settings(max_examples=60, deadline=None)
@given(st.lists(BOXES, min_size=1, max_size=4), st.lists(BOXES, max_size=2), st.lists(BOXES, min_size=1, max_size=12))
def test_coverage_equals_counting_pixels(
    added: list[tuple[int, int, int, int]],
    holes: list[tuple[int, int, int, int]],
    tiles: list[tuple[int, int, int, int]],
) -> None:
    raster = np.zeros((80, 80), bool)  # from -10 on
    region = shapely.Polygon()
    for boxes, inside in ((added, True), (holes, False)):
        for x, y, width, height in boxes:
            raster[y + 10 : y + height + 10, x + 10 : x + width + 10] = inside
            other = shapely.box(x, y, x + width, y + height)
            region = region | other if inside else region - other
    found = coverage(region, np.array([t[:2] for t in tiles]), np.array([t[2:] for t in tiles]))
    expected = [raster[y + 10 : y + h + 10, x + 10 : x + w + 10].mean() for x, y, w, h in tiles]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_coverage_by_a_slanted_edge_is_exact() -> None:
    triangle = shapely.Polygon([(0, 0), (10, 0), (0, 10)])
    found = coverage(triangle, np.array([[0, 0], [5, 5], [0, 0]]), np.array([[10, 10], [5, 5], [5, 5]]))
    np.testing.assert_allclose(found, [0.5, 0.0, 1.0])
