"""What ASAP, ImageScope and DSA write besides plain polygons, how files are found, and files that ask for too much."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from tests.annotations.written import WRITERS, Shape, asap, box, imagescope, qupath
from wsi_haloae.annotations.anchors import anchor_tiles
from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.regions import Annotations
from wsi_haloae.errors import AnnotationError
from wsi_haloae.slide.properties import Bounds


def read(folder: Path, text: str) -> Annotations:
    (folder / "a.any").write_text(text)
    return read_annotations(folder / "a.any", None)


@pytest.mark.parametrize("program", WRITERS)
def test_only_qupath_counts_from_the_bounds(program: str, tmp_path: Path) -> None:
    path = WRITERS[program](tmp_path / "a", [Shape("Tumor", box(0, 0, 10, 10))])
    found = read_annotations(path, Bounds(100, 50, 900, 900)).region("Tumor").bounds
    assert found == ((100, 50, 110, 60) if program == "QuPath GeoJSON" else (0, 0, 10, 10))


@pytest.mark.parametrize("program", WRITERS)
def test_points_are_anchors_in_every_format(program: str, tmp_path: Path) -> None:
    path = WRITERS[program](tmp_path / "a", [Shape("Reference", [[70, 10]], is_point=True)])
    locations = np.array([[0, 0], [64, 0], [128, 0]])
    assert anchor_tiles(path, None, locations, np.full_like(locations, 64)).tolist() == [1]


def test_objects_of_other_kinds_mark_anchors_too(tmp_path: Path) -> None:
    path = qupath(tmp_path / "a.geojson", [Shape("Reference", box(64, 0, 64, 64))])
    path.write_text(path.read_text().replace('"annotation"', '"tile"'))
    locations = np.array([[0, 0], [64, 0]])
    assert anchor_tiles(path, None, locations, np.full_like(locations, 64)).tolist() == [1]


def test_any_format_may_be_gzipped_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    for program, write in WRITERS.items():
        plain = write(tmp_path / "plain", [Shape("Tumor", box(0, 0, 10, 10))]).read_bytes()
        (tmp_path / "packed").write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain))
        found = read_annotations(tmp_path / "packed", None)
        assert (found.program, found.region("Tumor").area) == (program, 100)


def test_asap_rectangles_splines_and_commas(tmp_path: Path) -> None:
    places = '<Coordinate Order="0" X="0,5" Y="0"/><Coordinate Order="1" X="10,5" Y="20"/>'
    text = "".join(
        f'<Annotation Type="{kind}" PartOfGroup="{kind}"><Coordinates>{places}</Coordinates></Annotation>'
        for kind in ("Rectangle", "Measurement", "Polygon")
    )
    found = read(tmp_path, f"<ASAP_Annotations><Annotations>{text}</Annotations></ASAP_Annotations>")
    assert found.region("Rectangle").bounds == (0.5, 0, 10.5, 20)
    assert found.tally.flat == 2, "the measurement, and the stray polygon of two places"
    spline = asap(tmp_path / "b.xml", [Shape("Tumor", box(0, 0, 10, 10))])
    spline.write_text(spline.read_text().replace('"Polygon"', '"Spline"'))
    assert read_annotations(spline, None).region("Tumor").area == 100


def region(kind: int, *places: tuple[float, float], negative: bool = False, text: str = "") -> str:
    vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in places)
    return f'<Region Type="{kind}" NegativeROA="{negative:d}" Text="{text}"><Vertices>{vertices}</Vertices></Region>'


def layer(name: str, *regions: str) -> str:
    return f'<Annotation Name="{name}"><Regions>{"".join(regions)}</Regions></Annotation>'


def test_imagescopes_kinds_of_regions_and_negative_ones(tmp_path: Path) -> None:
    square = ((0, 0), (100, 0), (100, 100), (0, 100))
    hole, island = ((10, 10), (50, 10), (50, 50), (10, 50)), ((20, 20), (30, 20), (30, 30), (20, 30))
    found = read(
        tmp_path,
        "<Annotations>"
        + layer("Tumor", region(0, *square), region(0, *hole, negative=True), region(0, *island))
        + layer("Box", region(1, (200, 0), (230, 40)))
        + layer("Round", region(2, (300, 0), (340, 20)))
        + layer("Ruler", region(4, (0, 0), (10, 10)))
        + layer("", region(0, (400, 0), (410, 0), (410, 10), text="Named by its text"))
        + layer("", region(0, (500, 0), (510, 0), (510, 10)))
        + "</Annotations>",
    )
    assert found.region("Tumor").area == 10_000 - 1600 + 100
    assert found.region("Box").area == 1200
    assert found.region("Round").area == pytest.approx(np.pi * 20 * 10, rel=1e-3)
    assert found.region("Named by its text").area == 50
    assert found.tally.line() == "left out: 1 without a class, 1 without area"


def test_dsas_elements_and_where_their_class_stands(tmp_path: Path) -> None:
    elements = [
        {"type": "rectangle", "center": [50, 50, 0], "width": 20, "height": 10, "rotation": np.pi / 2, "group": "Box"},
        {"type": "ellipse", "center": [150, 50, 0], "width": 40, "height": 20, "label": {"value": "Oval"}},
        {"type": "circle", "center": [250, 50, 0], "radius": 10, "group": "default", "label": {"value": "Round"}},
        {"type": "polyline", "closed": False, "points": [[0, 0, 0], [9, 9, 0]], "group": "Line"},
        {"type": "polyline", "closed": True, "points": [[*xy, 0] for xy in box(300, 0, 10, 10)[:-1]],
         "holes": [[[*xy, 0] for xy in box(302, 2, 4, 4)[:-1]]]},
    ]  # fmt: skip
    found = read(tmp_path, json.dumps({"name": "Layer", "elements": elements}))
    assert found.region("Box").bounds == pytest.approx((45, 40, 55, 60))
    assert found.region("Oval").area == pytest.approx(np.pi * 20 * 10, rel=1e-3)
    assert found.region("Round").area == pytest.approx(np.pi * 100, rel=1e-3)
    assert found.region("Layer").area == 100 - 16
    assert found.tally.flat == 1
    with pytest.raises(AnnotationError, match=r"document 0 .*element 0"):
        read(tmp_path, json.dumps({"name": "Layer", "elements": [{"type": "rectangle"}]}))


@pytest.mark.parametrize("suffix", [".geojson", ".geojson.gz", ".json", ".xml"])
def test_annotations_of_every_suffix_are_found_by_the_slides_stem(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a{suffix}").touch()
    (tmp_path / "b.xml").touch()
    assert find_annotations(tmp_path, Path("slides/a.svs")) == tmp_path / f"a{suffix}"


def test_several_files_for_one_slide_are_an_error_that_names_them(tmp_path: Path) -> None:
    for suffix in (".geojson", ".xml"):
        (tmp_path / f"a{suffix}").touch()
    with pytest.raises(AnnotationError, match=r"a\.geojson, a\.xml"):
        find_annotations(tmp_path, Path("slides/a.svs"))


LAUGHS = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]>
<ASAP_Annotations><Annotations><Annotation PartOfGroup="&c;"/></Annotations></ASAP_Annotations>"""
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Annotations>&b;</Annotations>'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "document type"),
        (OUTSIDE, "document type"),
        ("<a>" * 100 + "</a>" * 100, "WSI_HALOAE_MOST_XML_DEPTH"),
        ("<Annotations>" + "<a/>" * 200 + "</Annotations>", "WSI_HALOAE_MOST_XML_ELEMENTS"),
        ("<Annotations><Annotation>", "cannot be read as XML"),
        ("<annotations><ndpviewstate/></annotations>", "outermost element is 'annotations'.*QuPath"),
        ('<ASAP_Annotations><Annotation><Coordinates><Coordinate X="a" Y="b"/></Coordinates></Annotation>', "as XML"),
        ("<ASAP_Annotations><Annotation Type='Polygon'/></ASAP_Annotations>", "no coordinates"),
        ("<Annotations><Annotation><Regions><Region/></Regions></Annotation></Annotations>", "no vertices"),
    ],
)
def test_xml_that_is_hostile_or_broken_is_an_error_that_names_the_file(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSI_HALOAE_MOST_XML_ELEMENTS", "150")
    with pytest.raises(AnnotationError, match=rf"a\.any: .*{told}"):
        read(tmp_path, text)


def test_an_unnamed_layer_does_not_become_a_class(tmp_path: Path) -> None:
    found = read_annotations(imagescope(tmp_path / "a.xml", [Shape("", box(0, 0, 10, 10))]), None)
    assert not found.by_class
    assert found.everything().area == 100
