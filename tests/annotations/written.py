"""The same shapes as four programs write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

Ring = list[list[float]]


@dataclass(frozen=True)
class Shape:
    """An outline, or, if ``is_point``, a place that was marked, of a class; "" for none."""

    name: str
    ring: Ring
    is_point: bool = False


def box(x: float, y: float, width: float, height: float) -> Ring:
    """A closed rectangle."""
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]


def feature(ring: Ring, classification: Any = None, **properties: Any) -> dict[str, Any]:
    """A polygon as QuPath writes it; ``properties`` come on top."""
    stated = {"objectType": "annotation"} | ({"classification": classification} if classification else {})
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": stated | properties}


def qupath(path: Path, shapes: Sequence[Shape]) -> Path:
    """GeoJSON."""
    features = []
    for shape in shapes:
        one = feature(shape.ring, shape.name and {"names": shape.name.split(": ")})
        if shape.is_point:
            one["geometry"] = {"type": "Point", "coordinates": shape.ring[0]}
        features.append(one)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def dsa(path: Path, shapes: Sequence[Shape]) -> Path:
    """What the server of the Digital Slide Archive exports, in which the name comes after the elements."""
    elements = [
        {"type": "point", "center": [*shape.ring[0], 0], "group": shape.name}
        if shape.is_point
        else {"type": "polyline", "closed": True, "points": [[*xy, 0] for xy in shape.ring[:-1]], "group": shape.name}
        for shape in shapes
    ]
    path.write_text(json.dumps([{"_id": "0" * 24, "annotation": {"elements": elements, "name": ""}}]))
    return path


def asap(path: Path, shapes: Sequence[Shape]) -> Path:
    """ASAP's XML; the coordinates are out of order, and only their Order tells."""
    text = ""
    for number, shape in enumerate(shapes):
        places = [
            f'<Coordinate Order="{order}" X="{x}" Y="{y}"/>'
            for order, (x, y) in enumerate(shape.ring[:1] * shape.is_point or shape.ring[:-1])
        ]
        text += (
            f'<Annotation Name="Annotation {number}" Type="{"Dot" if shape.is_point else "Polygon"}" '
            f'PartOfGroup={quoteattr(shape.name or "None")} Color="#F4FA58"><Coordinates>{"".join(places[::-1])}'
            "</Coordinates></Annotation>"
        )
    groups = "".join(
        f"<Group Name={quoteattr(shape.name)} PartOfGroup='None'><Attributes/></Group>" for shape in shapes
    )
    path.write_text(
        f'<?xml version="1.0"?>\n<ASAP_Annotations><Annotations>{text}</Annotations>'
        f"<AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>"
    )
    return path


def imagescope(path: Path, shapes: Sequence[Shape]) -> Path:
    """ImageScope's XML: a layer for each shape, named by its description."""
    text = ""
    for number, shape in enumerate(shapes):
        kind, ring = (5, shape.ring[:1]) if shape.is_point else (0, shape.ring[:-1])
        vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in ring)
        text += (
            f'<Annotation Id="{number}" Name="" LineColor="65280"><Attributes><Attribute Name="Description" Id="0" '
            f'Value={quoteattr(shape.name)}/></Attributes><Regions><RegionAttributeHeaders><AttributeHeader Id="9999" '
            f'Name="Region" ColumnWidth="-1"/></RegionAttributeHeaders><Region Id="1" Type="{kind}" Text="" '
            f'NegativeROA="0"><Attributes/><Vertices>{vertices}</Vertices></Region></Regions><Plots/></Annotation>'
        )
    path.write_text(f'<Annotations MicronsPerPixel="0.25">{text}</Annotations>')
    return path


WRITERS = {"QuPath GeoJSON": qupath, "DSA JSON": dsa, "ASAP XML": asap, "ImageScope XML": imagescope}
