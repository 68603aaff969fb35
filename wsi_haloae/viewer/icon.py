"""The small picture of a slide in the list: its thumbnail, with the heatmap over it if one was exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.bounds.pixels import UNREADABLE, open_image
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.heatmap.assembly import Heatmap, grid_of
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.tiles.grid import TileGrid

LONGEST = 280
"""Pixels of the longer side: twice the size in the list, for high-resolution screens."""
OPACITY = 0.5


def draw_icon(store: ScoreStore, overlay: Path | None) -> NDArray[np.uint8]:
    """The icon (h, w, 3) uint8. The heatmap is read from heatmap.overlay.png, so no column of the store is read."""
    slide = store.header.slide
    shrunk = LONGEST / max(slide.width, slide.height)
    size = max(1, round(slide.width * shrunk)), max(1, round(slide.height * shrunk))
    icon = Image.fromarray(store.thumbnail()).resize(size, Image.Resampling.LANCZOS)
    heat = None if overlay is None else _read(overlay, grid_of(store.header))
    if heat is not None:
        _lay_over(icon, heat, store, size[0] / slide.width, size[1] / slide.height)
    return np.asarray(icon)


def _read(overlay: Path, grid: TileGrid) -> Image.Image | None:
    """The exported heatmap; None, which leaves it out, for another run's heatmap or a damaged file."""
    try:
        with overlay.open("rb") as file, open_image(file, overlay, WsiHaloaeError) as picture:
            return picture.convert("RGBA") if picture.size == (grid.columns, grid.rows) else None
    except (WsiHaloaeError, *UNREADABLE):
        return None


def _lay_over(icon: Image.Image, heat: Image.Image, store: ScoreStore, shrunk_x: float, shrunk_y: float) -> None:
    place = Heatmap(np.empty((0, 0), np.float32), grid_of(store.header))
    left, top = place.l0_offset_x * shrunk_x, place.l0_offset_y * shrunk_y
    width, height = heat.width * place.l0_cell_width * shrunk_x, heat.height * place.l0_cell_height * shrunk_y
    heat = heat.resize((max(1, round(width)), max(1, round(height))), Image.Resampling.NEAREST)
    covered, at = heat.getchannel("A"), (round(left), round(top))
    icon.paste(icon.convert("L").convert("RGB").crop((*at, at[0] + heat.width, at[1] + heat.height)), at, covered)
    icon.paste(heat, at, covered.point(lambda alpha: round(alpha * OPACITY)))
