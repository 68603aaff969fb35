"""Inner beats outer, against a slow reference: the smallest outline around each place, place by place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.annotations.written import WRITERS, Shape, box, feature, qupath
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.regions import Annotations
from wsi_haloae.errors import AnnotationError

SIDE = 40
NAMES = ("Tumor", "Necrosis", "Tumor: Positive", "Ignore*", "Region*", "")
SHAPES = st.lists(
    st.builds(
        lambda name, x, y, width, height: Shape(name, box(x, y, width, height)),
        st.sampled_from(NAMES), st.integers(0, 25), st.integers(0, 25), st.integers(1, 15), st.integers(1, 15),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


def slowly(shapes: list[Shape]) -> np.ndarray:
    """The class of each pixel (SIDE, SIDE): that of the smallest box around it; "" for none or for several."""
    found = np.full((SIDE, SIDE), "", dtype=object)
    for y in range(SIDE):
        for x in range(SIDE):
            around = [
                (shapely.Polygon(shape.ring).area, -shape.name.count(":"), shape.name)
                for shape in shapes
                if shape.name not in {"", "Region*"}
                and shapely.Polygon(shape.ring).contains(shapely.Point(x + 0.5, y + 0.5))
            ]
            inner = {name for *size, name in around if size == list(min(around)[:2])}
            found[y, x] = inner.pop() if len(inner) == 1 else ""
    found[found == "Ignore*"] = ""
    return found


def painted(annotations: Annotations) -> np.ndarray:
    found = np.full((SIDE, SIDE), "", dtype=object)
    x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    for name, region in annotations.by_class.items():
        inside = shapely.contains_xy(region, x, y)
        assert (found[inside] == "").all(), "no two regions overlap"
        found[inside] = name
    return found


@settings(max_examples=30, deadline=None, derandomize=True)
@given(shapes=SHAPES)
def test_a_place_belongs_to_the_smallest_outline_around_it(
    shapes: list[Shape], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = read_annotations(qupath(tmp_path_factory.mktemp("drawn") / "a.geojson", shapes), None)
    np.testing.assert_array_equal(painted(found), slowly(shapes))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(shapes=SHAPES)
def test_the_same_shapes_mean_the_same_in_every_format(
    shapes: list[Shape], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    expected = read_annotations(qupath(folder / "expected.geojson", shapes), None)
    for program, write in WRITERS.items():
        found = read_annotations(write(folder / "a.any", shapes), None)
        assert found.program == program
        assert found.tally == expected.tally
        assert list(found.by_class) == list(expected.by_class)
        for name, region in found.by_class.items():
            assert region.equals(expected.by_class[name])


@pytest.mark.parametrize("inner", ["Necrosis", "Vessel"])
def test_the_name_of_the_inner_one_does_not_matter(inner: str, tmp_path: Path) -> None:
    shapes = [Shape("Tumor", box(0, 0, 100, 100)), Shape(inner, box(20, 20, 30, 30))]
    for order in (shapes, shapes[::-1]):
        found = read_annotations(qupath(tmp_path / "a.geojson", order), None)
        assert (found.region("Tumor").area, found.region(inner).area) == (9100, 900)
        assert found.tally.line() == "1 outline overlaps smaller ones of another class, and there the smaller count"


def test_each_part_of_a_multipolygon_is_compared_by_itself(tmp_path: Path) -> None:
    islands = [box(10, 10, 10, 10), box(1000, 0, 500, 500)]
    many = feature(islands[0], "Islands")
    many["geometry"] = {"type": "MultiPolygon", "coordinates": [[island] for island in islands]}
    (tmp_path / "a.geojson").write_text(json.dumps([many, feature(box(0, 0, 100, 100), "Sea")]))
    found = read_annotations(tmp_path / "a.geojson", None)
    assert found.region("Sea").area == 9900
    assert found.region("Islands").area == 100 + 250_000


def test_of_equal_outlines_neither_counts_and_it_is_said(tmp_path: Path) -> None:
    shapes = [Shape("Tumor", box(0, 0, 10, 10)), Shape("Stroma", box(5, 0, 10, 10))]
    found = read_annotations(qupath(tmp_path / "a.geojson", shapes), None)
    assert (found.region("Tumor").area, found.region("Stroma").area) == (50, 50)
    assert "2 outlines overlap one of equal size and another class, and neither counts there" in found.tally.line()
    assert found.tally.is_doubtful()


def test_outlines_that_only_touch_are_as_they_were_drawn(tmp_path: Path) -> None:
    shapes = [Shape("Tumor", box(0, 0, 10, 10)), Shape("Stroma", box(10, 0, 5, 5))]
    found = read_annotations(qupath(tmp_path / "a.geojson", shapes), None)
    assert shapely.get_coordinates(found.region("Tumor")).tolist() == box(0, 0, 10, 10)
    assert found.tally.line() == ""


def test_thousands_of_nested_outlines_are_refused_before_they_cost_minutes(tmp_path: Path) -> None:
    shapes = [Shape("AB"[n % 2], box(n, n, 9000 - 2 * n, 9000 - 2 * n)) for n in range(4000)]
    found = read_annotations(qupath(tmp_path / "a.geojson", shapes), None)
    with pytest.raises(AnnotationError, match="WSI_HALOAE_MOST_NESTED_VERTICES"):
        found.region("A")
