"""``wsi-haloae tile``: slides -> tile stores and previews. `fill_tiles` also serves training and scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from wsi_haloae.atomic import remove_tree
from wsi_haloae.config import TissueConfig
from wsi_haloae.export.preview import write_preview
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.inputs import SlideInput
from wsi_haloae.runs.outcome import Outcome, for_each_slide
from wsi_haloae.runs.record import RECORD_NAME, RunRecord, is_finished
from wsi_haloae.slide.handles import SlideHandles
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.tissue import find_tissue
from wsi_haloae.slide.tissue_mask import TissueMask
from wsi_haloae.stores.sharded import StoreHeader, TileIndex, TileState
from wsi_haloae.stores.tile_store import STORE_NAME, TileStore
from wsi_haloae.tiles.tiler import fill_tile_store
from wsi_haloae.tiles.tiling import Tiling, TilingSettings


@dataclass(frozen=True)
class ChosenTiles:
    """What there is to read on one slide, and the mask that decided it."""

    tiling: Tiling
    mask: TissueMask
    index: TileIndex

    def preview(self, folder: Path) -> None:
        """``preview.png``: mask and grid on the thumbnail."""
        write_preview(
            folder / "preview.png",
            self.mask.thumbnail,
            self.mask.mask,
            slide=self.tiling.header().slide,
            grid=self.tiling.grid,
            index=self.index,
        )


def choose_tiles(
    slide: Slide, tiling: Tiling, reporter: Reporter, region: BaseGeometry | None = None, **coverage: float
) -> ChosenTiles:
    """Find the tissue and pick the tiles; what could not be read on the thumbnail is a warning."""
    mask = find_tissue(slide, tiling.tissue_config)
    for warning in mask.warnings:
        reporter.warn(warning)
    index = tiling.choose(mask, region, **coverage)
    reporter.line(f"{slide.properties.name}: {len(index):,} of {tiling.grid.rows * tiling.grid.columns:,} tiles chosen")
    return ChosenTiles(tiling, mask, index)


def fill_tiles(
    source: SlideInput, path: Path, header: StoreHeader, chosen: ChosenTiles, workers: int, reporter: Reporter
) -> TileStore:
    """The slide's tiles in a store at ``path``: goes on with what an earlier run left."""
    if path.exists():
        store = TileStore.open(path)
        store.require_same(header, chosen.index)
        store.remove_leftovers()
    else:
        store = TileStore.create(path, header, chosen.index)
    with SlideHandles(source.open) as handles:
        fill_tile_store(store, handles, workers=workers, reporter=reporter)
    return store


def unreadable_tiles(store: TileStore) -> int:
    """Number of tiles that could not be read."""
    return int((store.states() == TileState.UNREADABLE).sum())


@dataclass(frozen=True)
class TileOptions:
    """What ``wsi-haloae tile`` was asked for."""

    settings: TilingSettings
    tissue: TissueConfig
    workers: int
    overwrite: bool


def tile_slides(
    slides: Sequence[SlideInput], output: Path, options: TileOptions, arguments: Mapping[str, Any], reporter: Reporter
) -> Outcome:
    """Tile every slide into ``output/<name>/tiles.zarr``."""

    def work(source: SlideInput, folder: Path, record: RunRecord) -> int:
        return _tile_one(source, folder, options, record, reporter)

    return for_each_slide(slides, output, work, "tile", arguments, reporter)


def _tile_one(source: SlideInput, folder: Path, options: TileOptions, record: RunRecord, reporter: Reporter) -> int:
    path = folder / STORE_NAME
    with closing(source.open()) as slide:
        tiling = Tiling.of(slide.properties, options.settings, options.tissue)
        header = tiling.header()
        if path.exists() and not options.overwrite:
            store = TileStore.open(path)
            store.require_same(header)
            if not store.pending_shards() and is_finished(folder, "tile"):
                reporter.line(f"{source.path}: tiled already, nothing to do ({path})")
                return unreadable_tiles(store)
        chosen = choose_tiles(slide, tiling, reporter)
    if options.overwrite:  # only now: the slide can be read, and the tiling is one
        (folder / RECORD_NAME).unlink(missing_ok=True)
        remove_tree(path)
    record.lap("tissue")
    store = fill_tiles(source, path, header, chosen, options.workers, reporter)
    chosen.preview(folder)
    record.lap("tiling")
    unreadable = unreadable_tiles(store) + len(chosen.mask.warnings)
    record.facts = {
        "slide": {"path": str(source.path), **header.slide.model_dump(mode="json")},
        "tissue": chosen.mask.parameters,
        "counts": {"tiles": len(store), "unreadable": unreadable},
    }
    record.write(folder / RECORD_NAME, "done" if len(store) else "empty")
    reporter.line(f"{source.path}: {len(store):,} tiles in {path}" if len(store) else f"{source.path}: no tissue found")
    return unreadable
