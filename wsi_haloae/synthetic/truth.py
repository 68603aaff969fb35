"""The truth of a synthetic slide: what is where on it, as polygons and as a file that QuPath opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shapely.geometry import MultiPolygon

from wsi_haloae.synthetic.truth_geojson import TrueRegion, maker_namespace, write_truth

COLOURS = {"Tumor": (200, 0, 0), "Stroma": (150, 200, 150), "Pen": (60, 60, 200), "Blur": (230, 200, 40)}
"""The classes of a synthetic slide, with the colours QuPath shows them in."""
NAMESPACE = maker_namespace("synthetic")


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
        write_truth(path, NAMESPACE, self._regions())

    def _regions(self) -> Iterator[TrueRegion]:
        for name, parts in self.polygons.items():
            for number, polygon in enumerate(parts.geoms):
                key = f"{self.seed} {self.width}x{self.height} {name} {number}"
                yield TrueRegion(key, f"{name} {number + 1}", name, COLOURS[name], polygon)
