"""GeoJSON files of objects for QuPath, one feature per line, written without holding them all in memory.

The files follow the rules of QuPath's own reader (`QuPathTypeAdapters` and `MeasurementList` in qupath-core). Digital
Slide Archive reads GeoJSON too, and takes `dsa_style` from the properties.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from shapely.geometry import Polygon

from wsi_haloae.atomic import replacing

GZIP_LEVEL = 6
PACKED = ".gz"


def write_features(path: Path, features: Iterable[Mapping[str, Any]]) -> None:
    """Write one FeatureCollection, which may be empty. It is gzipped if the name ends with ``.gz``.

    If the same collection exists under the other name (with or without ``.gz``), it is removed, because it was
    written with other settings.
    """
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    with replacing(path) as partial, _text(partial, packed=path.suffix == PACKED) as file:
        file.write('{"type":"FeatureCollection","features":[')
        for number, feature in enumerate(features):
            file.write(",\n" if number else "\n")
            file.write(encode(feature))
        file.write("\n]}\n")
    twin = path.with_suffix("") if path.suffix == PACKED else path.with_name(path.name + PACKED)
    twin.unlink(missing_ok=True)


def polygon_geometry(polygon: Polygon, left: float, top: float) -> dict[str, Any]:
    """A polygon with its holes, moved so that (``left``, ``top``) becomes (0, 0). Whole numbers become integers."""
    rings = (polygon.exterior, *polygon.interiors)
    coordinates = [[[_number(x - left), _number(y - top)] for x, y in ring.coords] for ring in rings]
    return {"type": "Polygon", "coordinates": coordinates}


def dsa_style(colour: Sequence[int], label: str) -> dict[str, str]:
    """Colours and label in the words of Digital Slide Archive, which knows none of QuPath's."""
    rgb = ",".join(map(str, colour))
    return {"label": label, "fillColor": f"rgba({rgb},0.5)", "lineColor": f"rgb({rgb})"}


def finite(measurements: Mapping[str, float]) -> dict[str, float]:
    """The finite measurements, to nine significant digits: enough for every float32."""
    return {name: float(f"{value:.9g}") for name, value in measurements.items() if math.isfinite(value)}


def _number(value: float) -> float:
    rounded = round(value, 2)  # a subtraction may have left more digits
    return int(rounded) if rounded == int(rounded) else rounded


@contextmanager
def _text(partial: Path, *, packed: bool) -> Iterator[TextIO]:
    if not packed:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    # The header has neither a name nor a date, so that equal contents have equal bytes.
    with (
        partial.open("wb") as raw,
        gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as packer,
        TextIOWrapper(packer, encoding="utf-8", newline="") as file,
    ):
        yield file
