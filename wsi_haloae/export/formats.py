"""The table of export formats: what can be written of a scored slide, by the names that ``export --format`` takes.

Everything else about them is derived from `FORMATS`: what ``score`` writes, ``export --help``, the order of writing,
the files that a report lists and that ``score --overwrite`` removes.

To add a format, write its file in a module of its own (see `table`) and put a row here. Writers are named, not
imported: ``--help`` loads no library, and an export loads those that it needs.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wsi_haloae.errors import UsageError

if TYPE_CHECKING:
    from wsi_haloae.export.open_store import OpenStore


@dataclass(frozen=True)
class Format:
    """One row of the table; its key in `FORMATS` is its name."""

    files: Mapping[str, str]
    """What it may write into a slide's folder, a file or a folder, and what people read about each."""
    writer: str
    """"module:function"; called with the path of the first of ``files`` and an `OpenStore`. Same store, same bytes."""
    is_default: bool = True
    """Whether ``score`` writes it, and ``export`` without ``--format``."""
    shows: tuple[str, ...] = ()
    """Formats whose files it takes into its own: they are written before it, whenever it is."""
    lists_others: bool = False
    """Whether it says what stands beside it, and so comes after all others."""
    package: str | None = None
    """What it needs beyond the dependencies; the extra of this name installs it."""

    @property
    def file(self) -> str:
        """The first of its files."""
        return next(iter(self.files))

    def write(self, folder: Path, source: OpenStore) -> None:
        """Write it into a slide's folder."""
        writer: Callable[[Path, OpenStore], None] = pkgutil.resolve_name(self.writer)
        writer(folder / self.file, source)


FORMATS: Mapping[str, Format] = {
    "heatmap": Format(
        {"heatmap.png": "the heatmap over the slide"},
        "wsi_haloae.export.picture:write_heatmap_picture",
    ),
    "preview": Format(
        {"preview.png": "what was taken for tissue, and the tiles"},
        "wsi_haloae.export.picture:write_tissue_picture",
    ),
    "artefacts": Format(
        {"artefacts.png": "the tiles with quality-control flags"},
        "wsi_haloae.export.artefact_picture:write_artefact_picture",
    ),
    "csv": Format(
        {"tiles.csv": "every tile: position, score, p-value, flags"},
        "wsi_haloae.export.table:write_tile_table",
    ),
    "parquet": Format(
        {"tiles.parquet": "the same for pandas and R"},
        "wsi_haloae.export.parquet:write_tile_parquet",
    ),
    "tiles": Format(
        {"tiles.geojson": "the tiles for QuPath", "tiles.geojson.gz": "the tiles for QuPath, packed"},
        "wsi_haloae.export.merged_geojson:write_tiles",
    ),
    "regions": Format(
        {"regions.geojson": "the anomalous regions for QuPath"},
        "wsi_haloae.export.region_geojson:write_region_geojson",
    ),
    "scripts": Format(
        {
            "show_heatmap.groovy": "dragged onto QuPath, lays the heatmap over the slide",
            "show_tiles.groovy": "dragged onto QuPath, shows the tiles in their colours",
        },
        "wsi_haloae.export.qupath_scripts:write_scripts",
    ),
    "overlay": Format(
        {"heatmap.overlay.png": "one pixel per tile, to be laid over the slide"},
        "wsi_haloae.export.overlay:write_overlay",
    ),
    "ome-tiff": Format(
        {"heatmap.ome.tif": "the scores as numbers, one pixel per tile"},
        "wsi_haloae.export.ome_tiff:write_ome_tiff",
    ),
    "ome-zarr": Format(
        {"heatmap.ome.zarr": "the same as OME-Zarr"},
        "wsi_haloae.export.ome_zarr:write_heatmap_zarr",
    ),
    "map": Format(
        {"map.ome.zarr": "the anomaly map of the whole slide as OME-Zarr (from score --maps)"},
        "wsi_haloae.export.ome_zarr:write_map_zarr",
    ),
    "anndata": Format(
        {"tiles.h5ad": "the tiles with the scores of all rules, for scanpy and squidpy"},
        "wsi_haloae.export.h5ad:write_anndata",
        is_default=False,
        package="anndata",
    ),
    "small": Format(
        {"heatmap.small.jpg": "a small heatmap.png, for the index of all slides"},
        "wsi_haloae.export.small_picture:write_small_picture",
    ),
    "report": Format(
        {"report.html": "one page on the slide that explains all of this; start here"},
        "wsi_haloae.export.report:write_report",
        shows=("heatmap", "artefacts"),
        lists_others=True,
    ),
}
"""In the order in which they are listed."""


def default_formats() -> tuple[str, ...]:
    """What is written when nobody chooses."""
    return tuple(name for name, row in FORMATS.items() if row.is_default)


def check_formats(names: Iterable[str]) -> None:
    """`UsageError` for a name that is not in the table, and for a format that needs a package that is missing."""
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"--format {name} was given; the formats are: {', '.join(FORMATS)}.")
        package = FORMATS[name].package
        if package is not None and find_spec(package) is None:
            raise UsageError(
                f"the format {name} needs the package {package}, which is not installed: "
                f"pip install 'wsi-haloae[{package}]'."
            )


def in_writing_order(names: Iterable[str]) -> list[str]:
    """These formats and those that they show, each after what it needs."""
    wanted, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        waiting += [shown for shown in FORMATS[name].shows if shown not in wanted]
    rows = {name: row for name, row in FORMATS.items() if name in wanted}
    others = [name for name, row in rows.items() if not row.lists_others]
    before = {name: [*row.shows, *(others if row.lists_others else ())] for name, row in rows.items()}
    return list(TopologicalSorter(before).static_order())


def all_files(folder: Path) -> list[Path]:
    """Whatever may have been written into a slide's folder, whether it is there or not."""
    return [folder / file for row in FORMATS.values() for file in row.files]
