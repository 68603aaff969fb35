"""anchors.geojson: tiles that somebody has marked as reference tissue, as annotations that QuPath imports.

`wsi_haloae.annotations.anchors` reads the same tiles back, from this file or as QuPath exports it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.annotations.anchors import REFERENCE_CLASS
from wsi_haloae.export.feature_collection import write_features
from wsi_haloae.export.geojson import qupath_rectangles
from wsi_haloae.export.identity import slide_namespace
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import StoreHeader

ANCHORS_NAME = "anchors.geojson"
REFERENCE_COLOUR = (0, 160, 80)


def write_anchor_geojson(path: Path, header: StoreHeader, index: TileIndex, numbers: NDArray[np.int64]) -> None:
    """Write the outlines of the tiles with these ``numbers``; tiles outside the slide's bounds are left out."""
    write_features(path, _features(header, index.select(numbers)))


def _features(header: StoreHeader, index: TileIndex) -> Iterator[dict[str, Any]]:
    namespace, rectangles = slide_namespace(header), qupath_rectangles(index, header.slide).tolist()
    for row, column, (left, top, right, bottom) in zip(
        index.row.tolist(), index.column.tolist(), rectangles, strict=True
    ):
        if right <= left or bottom <= top:
            continue
        ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(namespace, f"anchor {row} {column}")),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "annotation",
                "isLocked": False,
                "classification": {"name": REFERENCE_CLASS, "color": list(REFERENCE_COLOUR)},
            },
        }
