"""What can be written of a scored slide, by the names that ``export --format`` takes.

Only names are here, so that ``--help`` can list them without loading a library; `bundle` has the writers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from wsi_haloae.errors import UsageError

FORMATS = MappingProxyType(
    {
        "csv": ("tiles.csv",),
        "parquet": ("tiles.parquet",),
        "tiles": ("tiles.geojson",),
        "regions": ("regions.geojson",),
        "overlay": ("heatmap.overlay.png",),
        "scripts": ("show_heatmap.groovy", "show_tiles.groovy"),
        "heatmap": ("heatmap.png",),
        "small": ("heatmap.small.jpg",),
        "preview": ("preview.png",),
        "artefacts": ("artefacts.png",),
        "ome-tiff": ("heatmap.ome.tif",),
        "ome-zarr": ("heatmap.ome.zarr",),
        "map": ("map.ome.zarr",),
        "anndata": ("tiles.h5ad",),
        "report": ("report.html",),  # last: it lists what stands beside it
    }
)
"""Name -> files in a slide's folder, in the order in which they are written."""

DEFAULT = tuple(name for name in FORMATS if name != "anndata")
"""What ``score`` writes, and ``export`` without ``--format``; a map only where the store has kept them."""


REPORT_SHOWS = ("heatmap", "artefacts")
"""What report.html takes into it, so that it is written anew with it."""

PACKED_TILES = "tiles.geojson.gz"
"""What ``--gz`` writes instead of tiles.geojson."""


def all_files(folder: Path) -> list[Path]:
    """Whatever may have been written into a slide's folder, there or not."""
    names = [name for files in FORMATS.values() for name in files]
    return [folder / name for name in (*names, PACKED_TILES)]


def check_formats(names: Iterable[str]) -> None:
    """`UsageError` for a name that is none, with those that are."""
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise UsageError(f"--format {unknown[0]} was given; the formats are: {', '.join(FORMATS)}.")
