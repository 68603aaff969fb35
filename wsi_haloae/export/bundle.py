"""Every file that is made from a score store alone."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.export.artefact_picture import write_artefact_picture
from wsi_haloae.export.geojson import write_tile_geojson
from wsi_haloae.export.ome_tiff import write_ome_tiff
from wsi_haloae.export.ome_zarr import write_heatmap_zarr, write_map_zarr
from wsi_haloae.export.overlay import write_overlay
from wsi_haloae.export.picture import write_heatmap_picture
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.export.table import write_tile_table
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.heatmap.pixel_map import assemble_map
from wsi_haloae.stores.score_store import ScoreStore


def write_exports(store: ScoreStore, folder: Path) -> list[Path]:
    """Write all files into ``folder``, which is made if need be; their paths in a fixed order.

    Each appears whole or not at all, and has the same bytes on every run. `StoreError` if the
    store's display range is no range.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tiles, heatmap = ScoredTiles.read(store), assemble_heatmap(store)
    scale = ColourScale(*store.header.model.display_range)
    table, geojson, artefacts = (folder / name for name in ("tiles.csv", "tiles.geojson", "artefacts.png"))
    overlay, picture, numbers = (folder / f"heatmap.{ending}" for ending in ("overlay.png", "png", "ome.tif"))
    write_tile_table(table, tiles)
    write_tile_geojson(geojson, tiles)
    write_overlay(overlay, heatmap, scale)
    write_artefact_picture(artefacts, tiles, store.thumbnail())
    write_heatmap_picture(picture, tiles, heatmap, scale, store.thumbnail())
    write_ome_tiff(numbers, heatmap, store.header)
    pyramids = [folder / "heatmap.ome.zarr"]
    write_heatmap_zarr(pyramids[0], heatmap, store.header.slide)
    if store.header.map_size is not None:
        pyramids.append(folder / "map.ome.zarr")
        write_map_zarr(pyramids[1], assemble_map(store), store.header.slide)
    return [table, geojson, overlay, picture, artefacts, numbers, *pyramids]
