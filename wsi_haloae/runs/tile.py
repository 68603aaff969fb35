"""``wsi-haloae tile``: slides in, tile stores and previews out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import refuse_link, remove
from wsi_haloae.config import TissueConfig
from wsi_haloae.coordinates.reading import find_coordinates, read_coordinates
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.stores.tile_store import STORE_NAME, TileStore
from wsi_haloae.tiles.chosen import choose_tiles
from wsi_haloae.tiles.given_tissue import GivenTissue, tissue_for
from wsi_haloae.tiles.tiler import fill_tiles, unreadable_tiles
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.workspace.batch_result import BatchResult, for_each_slide
from wsi_haloae.workspace.record import RECORD_NAME, is_finished
from wsi_haloae.workspace.recorder import RunRecorder
from wsi_haloae.workspace.slide_inputs import SlideInput


@dataclass(frozen=True)
class TileOptions:
    """How ``wsi-haloae tile`` cuts tiles, on how many threads, and whether it replaces earlier results."""

    settings: TilingSettings
    tissue: TissueConfig
    workers: int
    overwrite: bool
    coordinates: Path | None = None
    given_tissue: GivenTissue = "auto"

    def tiling(self, properties: SlideProperties, path: Path) -> Tiling:
        """The tiling of one slide, with the tiles and the tissue that were given for it."""
        tiles = read_coordinates(find_coordinates(self.coordinates, path)) if self.coordinates else None
        return Tiling.of(properties, self.settings, self.tissue, tiles, tissue_for(self.given_tissue, path))


def tile_slides(
    slides: Sequence[SlideInput], output: Path, options: TileOptions, arguments: Mapping[str, Any], reporter: Reporter
) -> BatchResult:
    """Tile every slide into ``output/<name>/tiles.zarr``."""

    def work(source: SlideInput, folder: Path, record: RunRecorder) -> int:
        return _tile_one(source, folder, options, record, reporter)

    return for_each_slide(slides, output, work, "tile", arguments, reporter)


def _tile_one(source: SlideInput, folder: Path, options: TileOptions, record: RunRecorder, reporter: Reporter) -> int:
    path = folder / STORE_NAME
    with closing(source.open()) as slide:
        tiling = options.tiling(slide.properties, source.path)
        header = tiling.header()
        refuse_link(path)
        if path.exists() and not options.overwrite:
            store = TileStore.open(path)
            store.require_same(header)
            if not store.pending_shards() and is_finished(folder, "tile"):
                reporter.line(f"{source.path}: tiled already, nothing to do ({path})")
                if not len(store):
                    choose_tiles(slide, tiling, reporter).require_some()
                return unreadable_tiles(store)
        chosen = choose_tiles(slide, tiling, reporter)
    if options.overwrite:  # only now: the slide can be read, and the tiling is one
        (folder / RECORD_NAME).unlink(missing_ok=True)
        remove(path)
    record.lap("tissue")
    reporter.detail(f"{source.path}: {options.workers} readers, pixels by {tiling.properties.reader}")
    store = fill_tiles(source, path, header, chosen, options.workers, reporter)
    chosen.preview(folder / "preview.png")
    record.lap("tiling")
    unreadable = unreadable_tiles(store) + len(chosen.mask.warnings)
    record.facts = {
        "slide": {"path": str(source.path), **header.slide.model_dump(mode="json")},
        "colour_profile": header.colour_profile,
        "colours": tiling.properties.colours,
        "reader": tiling.properties.reader,
        "tissue": chosen.facts(),
        "counts": {"tiles": len(store), "unreadable": unreadable},
    }
    record.write(folder, "done" if len(store) else "empty")
    chosen.require_some()
    reporter.line(
        f"{source.path}: {with_noun(len(store), 'tile')} in {path}" if len(store) else f"{source.path}: no tissue found"
    )
    return unreadable
