"""Every file that is made from a score store alone.

`WRITERS` says who writes which format (their files: `formats`). A writer takes the store, opened once for all of
them, as an `OpenStore`, and the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.selection import USUAL, Criterion
from wsi_haloae.export.artefact_picture import write_artefact_picture
from wsi_haloae.export.asked_rate import require_rate
from wsi_haloae.export.formats import DEFAULT, FORMATS, PACKED_TILES, REPORT_SHOWS
from wsi_haloae.export.geojson import write_tile_geojson
from wsi_haloae.export.h5ad import write_anndata
from wsi_haloae.export.merged_geojson import write_merged_geojson
from wsi_haloae.export.ome_tiff import write_ome_tiff
from wsi_haloae.export.ome_zarr import write_heatmap_zarr, write_map_zarr
from wsi_haloae.export.overlay import write_overlay
from wsi_haloae.export.parquet import write_tile_parquet
from wsi_haloae.export.picture import write_heatmap_picture
from wsi_haloae.export.preview import write_preview
from wsi_haloae.export.qupath_scripts import write_slide_scripts
from wsi_haloae.export.region_geojson import regions_of, write_region_geojson
from wsi_haloae.export.report import write_report
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.export.small_picture import write_small_picture
from wsi_haloae.export.table import write_tile_table
from wsi_haloae.heatmap.assembly import Heatmap, assemble_heatmap, grid_of
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.heatmap.pixel_map import assemble_map
from wsi_haloae.heatmap.regions import Region
from wsi_haloae.stores.score_store import ScoreStore


@dataclass(frozen=True)
class ExportSettings:
    """What may be chosen about the files. ``min_score``, ``merge`` and ``gz`` are about tiles.geojson alone."""

    criterion: Criterion = USUAL
    min_score: float | None = None
    merge: bool = False
    gz: bool = False


STANDARD = ExportSettings()
"""What ``score`` writes."""


class OpenStore:
    """A score store and what several writers need of it, each read once and only if it is asked for."""

    def __init__(self, store: ScoreStore, settings: ExportSettings) -> None:
        self.store, self.settings, self.header = store, settings, store.header
        self.scale = ColourScale(*store.header.model.display_range)

    @cached_property
    def tiles(self) -> ScoredTiles:
        """The tiles, called by the chosen criterion."""
        return ScoredTiles.read(self.store, self.settings.criterion)

    @cached_property
    def heatmap(self) -> Heatmap:
        """Their scores, laid out."""
        return assemble_heatmap(self.store)

    @cached_property
    def regions(self) -> list[Region]:
        """What is called anomalous."""
        return regions_of(self.tiles, self.heatmap)

    @cached_property
    def thumbnail(self) -> NDArray[np.uint8]:
        """The slide, small."""
        return self.store.thumbnail()


def write_exports(
    store: ScoreStore, folder: Path, settings: ExportSettings = STANDARD, formats: Sequence[str] = DEFAULT
) -> OpenStore:
    """Write the files of ``formats`` into ``folder``, which is made if need be; gives what they were made from.

    Each appears whole or not at all, and has the same bytes on every run. `StoreError` if the store's display
    range is no range; `UsageError` for a false-discovery rate that cannot be kept.
    """
    require_rate(store, settings.criterion)
    source = OpenStore(store, settings)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {*formats, *(REPORT_SHOWS if "report" in formats else ())}
    for name in FORMATS:
        if name in chosen:
            WRITERS[name](source, folder)
    return source


def _write_tiles(source: OpenStore, folder: Path) -> None:
    path = folder / (PACKED_TILES if source.settings.gz else FORMATS["tiles"][0])
    if source.settings.merge:
        write_merged_geojson(path, source.tiles, source.heatmap, source.scale, source.settings.min_score)
    else:
        write_tile_geojson(path, source.tiles, source.settings.min_score)


def _write_picture(source: OpenStore, folder: Path) -> None:
    write_heatmap_picture(folder / "heatmap.png", source.tiles, source.heatmap, source.scale, source.thumbnail)


def _write_small(source: OpenStore, folder: Path) -> None:
    path = folder / FORMATS["small"][0]
    write_small_picture(path, source.tiles, source.heatmap, source.scale, source.thumbnail)


def _write_preview(source: OpenStore, folder: Path) -> None:
    mask, grid = source.store.tissue_mask(), grid_of(source.header)
    write_preview(
        folder / "preview.png", source.thumbnail, mask, slide=source.header.slide, grid=grid, index=source.tiles.index
    )


def _write_map(source: OpenStore, folder: Path) -> None:
    if source.header.map_size is not None:
        write_map_zarr(folder / "map.ome.zarr", assemble_map(source.store), source.header.slide)


Writer = Callable[[OpenStore, Path], None]

WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "csv": lambda s, folder: write_tile_table(folder / "tiles.csv", s.tiles),
        "parquet": lambda s, folder: write_tile_parquet(folder / "tiles.parquet", s.tiles),
        "tiles": _write_tiles,
        "regions": lambda s, folder: write_region_geojson(folder / "regions.geojson", s.tiles, s.regions),
        "overlay": lambda s, folder: write_overlay(folder / "heatmap.overlay.png", s.heatmap, s.scale),
        "scripts": lambda s, folder: write_slide_scripts(folder, s.header.slide, s.heatmap, s.scale),
        "heatmap": _write_picture,
        "small": _write_small,
        "preview": _write_preview,
        "artefacts": lambda s, folder: write_artefact_picture(folder / "artefacts.png", s.tiles, s.thumbnail),
        "ome-tiff": lambda s, folder: write_ome_tiff(folder / "heatmap.ome.tif", s.heatmap, s.header),
        "ome-zarr": lambda s, folder: write_heatmap_zarr(folder / "heatmap.ome.zarr", s.heatmap, s.header.slide),
        "map": _write_map,
        "anndata": lambda s, folder: write_anndata(folder / "tiles.h5ad", s.store, s.tiles),
        "report": lambda s, folder: write_report(folder / "report.html", s.store, s.tiles),
    }
)
"""By the names of `FORMATS`."""
