"""The size of the tiles in the words of wsidata, in which LazySlide keeps them (its class ``TileSpec``)."""

from __future__ import annotations

from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.tiles.plan import ReadPlan


def tile_spec(header: StoreHeader) -> dict[str, int | float | str]:
    """Fields of a ``TileSpec``: a tile's pixels, the level they are read from, and level-0 pixels per pixel.

    wsidata has one scale for both directions. Where pixels are not square, that of x is given.
    """
    grid, plan = header.grid, ReadPlan.of_record(header.read_plan)
    return {
        "height": grid.tile_size,
        "width": grid.tile_size,
        "stride_height": grid.stride,
        "stride_width": grid.stride,
        "mpp": plan.mpp_x,
        "ops_level": plan.level,
        "ops_downsample": plan.scale_x,
        "base_level": 0,
        "base_downsample": grid.l0_scale_x,
        "tissue_name": "tissue",
    }
