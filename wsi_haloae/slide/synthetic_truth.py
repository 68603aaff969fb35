"""What is where on a synthetic slide, as polygons, and as a file that QuPath opens."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import MultiPolygon, Polygon, mapping

from wsi_haloae.atomic import replacing

COLOURS = {"Tumor": (200, 0, 0), "Stroma": (150, 200, 150), "Pen": (60, 60, 200), "Blur": (230, 200, 40)}
"""The classes of a synthetic slide, with the colours QuPath shows them in."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://wsi-haloae/synthetic")


@dataclass(frozen=True)
class SyntheticTruth:
    """One MultiPolygon per class of `COLOURS`, in level-0 pixels.

    Tumor and Stroma are valid, do not overlap, and together are the tissue. Blur (out of
    focus) lies over both; Pen lies on glass.
    """

    seed: int
    width: int
    height: int
    polygons: dict[str, MultiPolygon]

    def write_geojson(self, path: Path) -> None:
        """One annotation per polygon, in QuPath's form, with the same identifiers on every run."""
        features = [
            self._feature(name, number, polygon)
            for name, parts in self.polygons.items()
            for number, polygon in enumerate(parts.geoms)
        ]
        document = {"type": "FeatureCollection", "features": features}
        with replacing(path) as partial:
            partial.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")

    def _feature(self, name: str, number: int, polygon: Polygon) -> dict[str, Any]:
        key = f"{self.seed} {self.width}x{self.height} {name} {number}"
        return {
            "type": "Feature",
            "id": str(uuid.uuid5(NAMESPACE, key)),
            "geometry": mapping(polygon),
            "properties": {
                "objectType": "annotation",
                "name": f"{name} {number + 1}",
                "classification": {"name": name, "color": list(COLOURS[name])},
            },
        }
