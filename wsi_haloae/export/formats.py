"""The table of export formats: the files that can be written for a scored slide, by their ``export --format`` names.

Everything else about them is derived from `FORMATS`: what ``score`` writes, ``export --help``, the order of writing,
the files that a report lists and the files that ``score --overwrite`` removes.

To add a format, write its writer in a new module (see `table`) and add a row here. Writers are named, not imported,
so ``--help`` loads no library and an export loads only those it needs.
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
    """The files or folders that it may write into a slide's folder, each with a description for people."""
    writer: str
    """"module:function"; called with the path of the first of ``files`` and an `OpenStore`. Same store, same bytes."""
    is_default: bool = True
    """Whether ``score``, and ``export`` without ``--format``, write it."""
    shows: tuple[str, ...] = ()
    """Formats whose files it embeds. They are always written with it, and before it."""
    lists_others: bool = False
    """Whether it lists the other files, and must be written after them."""
    calls: bool = False
    """Whether it shows which tiles are called anomalous."""
    package: str | None = None
    """An optional package that it needs; the extra of the same name installs it."""

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
        calls=True,
    ),
    "preview": Format(
        {"preview.png": "the tissue that was found, and the tiles"},
        "wsi_haloae.export.picture:write_tissue_picture",
    ),
    "artefacts": Format(
        {"artefacts.png": "the tiles with quality-control flags"},
        "wsi_haloae.export.artefact_picture:write_artefact_picture",
    ),
    "csv": Format(
        {"tiles.csv": "every tile: position, score, p-value, flags"},
        "wsi_haloae.export.table:write_tile_table",
        calls=True,
    ),
    "parquet": Format(
        {"tiles.parquet": "the same table for pandas and R"},
        "wsi_haloae.export.parquet:write_tile_parquet",
        calls=True,
    ),
    "tiles": Format(
        {
            "tiles.geojson": "the tiles for QuPath",
            "tiles.geojson.gz": "the tiles for QuPath, compressed: in place of tiles.geojson, with export --gz",
        },
        "wsi_haloae.export.merged_geojson:write_tiles",
    ),
    "regions": Format(
        {"regions.geojson": "the anomalous regions for QuPath"},
        "wsi_haloae.export.region_geojson:write_region_geojson",
        calls=True,
    ),
    "scripts": Format(
        {
            "show_heatmap.groovy": "drag it onto QuPath to show the heatmap over the slide",
            "show_tiles.groovy": "drag it onto QuPath to show the tiles in their colours",
        },
        "wsi_haloae.export.qupath_scripts:write_scripts",
    ),
    "overlay": Format(
        {"heatmap.overlay.png": "the heatmap alone, one pixel per tile, to lay over the slide"},
        "wsi_haloae.export.overlay:write_overlay",
    ),
    "ome-tiff": Format(
        {"heatmap.ome.tif": "the scores as numbers, one pixel per tile"},
        "wsi_haloae.export.ome_tiff:write_ome_tiff",
    ),
    "ome-zarr": Format(
        {"heatmap.ome.zarr": "the same numbers as OME-Zarr"},
        "wsi_haloae.export.ome_zarr:write_heatmap_zarr",
    ),
    "map": Format(
        {"map.ome.zarr": "the anomaly map of the whole slide, finer than tiles (from score --maps)"},
        "wsi_haloae.export.ome_zarr:write_map_zarr",
    ),
    "ome-zarr-v2": Format(
        {
            "heatmap.v2.ome.zarr": "the scores as OME-Zarr 0.4 (Zarr 2), which QuPath 0.6 to 0.8 read",
            "map.v2.ome.zarr": "the anomaly map as OME-Zarr 0.4 (from score --maps)",
        },
        "wsi_haloae.export.ome_zarr:write_zarr_v2",
        is_default=False,
    ),
    "dsa": Format(
        {"annotation.dsa.json": "heatmap and regions as an annotation for Digital Slide Archive and HistomicsUI"},
        "wsi_haloae.export.dsa:write_annotation",
        is_default=False,
        calls=True,
    ),
    "trident": Format(
        {"patches.trident.h5": "coordinates and scores of the tiles as TRIDENT reads them"},
        "wsi_haloae.export.coordinates:write_trident",
        is_default=False,
        package="h5py",
    ),
    "clam": Format(
        {"patches.clam.h5": "the same as CLAM and WSInfer read them"},
        "wsi_haloae.export.coordinates:write_clam",
        is_default=False,
        package="h5py",
    ),
    "anndata": Format(
        {"tiles.h5ad": "the tiles with the scores of all rules, for scanpy, squidpy and LazySlide"},
        "wsi_haloae.export.h5ad:write_anndata",
        is_default=False,
        calls=True,
        package="anndata",
    ),
    "small": Format(
        {"heatmap.small.jpg": "a small version of heatmap.png for the index of all slides"},
        "wsi_haloae.export.small_picture:write_small_picture",
        calls=True,
    ),
    "report": Format(
        {"report.html": "one page about the slide that explains all of this; start here"},
        "wsi_haloae.export.report:write_report",
        shows=("heatmap", "artefacts"),
        lists_others=True,
        calls=True,
    ),
}
"""In the order in which reports and help texts list them."""


def default_formats() -> tuple[str, ...]:
    """The names of the formats that are written by default."""
    return tuple(name for name, row in FORMATS.items() if row.is_default)


def check_formats(names: Iterable[str]) -> None:
    """Raise `UsageError` for a name that is not in the table, or a format whose package is not installed."""
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"--format {name}: there is no such format. Choose from: {', '.join(FORMATS)}.")
        package = FORMATS[name].package
        if package is not None and find_spec(package) is None:
            raise UsageError(
                f"--format {name} needs the package {package}, which is not installed. Install it with: "
                f"pip install 'wsi-haloae[{package}]'"
            )


def in_writing_order(names: Iterable[str]) -> list[str]:
    """These formats and those that they embed, each after the formats it needs."""
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
    """Every path that an export may have written in a slide's folder, whether it exists or not."""
    return [folder / file for row in FORMATS.values() for file in row.files]
