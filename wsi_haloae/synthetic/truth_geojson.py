"""The truth of a synthetic or mosaic slide as annotations that QuPath opens."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import Polygon, mapping

from wsi_haloae.atomic import write_text


@dataclass(frozen=True)
class TrueRegion:
    """A polygon in level-0 pixels, its name, its class, and the colour QuPath shows the class in.

    ``key`` is unique among the regions of one slide generator: the identifier is derived from it.
    """

    key: str
    name: str
    class_name: str
    colour: tuple[int, int, int]
    polygon: Polygon


def maker_namespace(name: str) -> uuid.UUID:
    """The namespace from which the identifiers of one slide generator are derived."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://wsi-haloae/{name}")


def write_truth(path: Path, namespace: uuid.UUID, regions: Iterable[TrueRegion]) -> None:
    """One annotation per region, with the same identifiers on every run."""
    document = {"type": "FeatureCollection", "features": [_feature(namespace, region) for region in regions]}
    write_text(path, json.dumps(document, separators=(",", ":")) + "\n")


def _feature(namespace: uuid.UUID, region: TrueRegion) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(namespace, region.key)),
        "geometry": mapping(region.polygon),
        "properties": {
            "objectType": "annotation",
            "name": region.name,
            "classification": {"name": region.class_name, "color": list(region.colour)},
        },
    }
