"""preview.png: the tissue that was found, what was left out, and the tiles that were kept; to check before scoring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from wsi_haloae.figures.slide_frame import SlideFigure, enlarged_or_reduced
from wsi_haloae.pages import percent
from wsi_haloae.progress import with_noun
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import SlideRecord
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tissue.parts import PARTS, Part, left_out, shares

TILE_COLOUR = "#1d4ed8"
VEIL = 0.55
"""Opacity of the colour over what was left out."""

FULL_LINE_TILE = 28
"""Tile side in pixels of the picture from which its outline is drawn at full strength. Smaller ones fade, so
that the grid of a large slide tints the tissue instead of hiding it."""


def write_preview(
    path: Path,
    thumbnail: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    *,
    slide: SlideRecord,
    grid: TileGrid,
    index: TileIndex,
) -> None:
    """Draw tissue outline and tiles over the thumbnail (h, w, 3), and colour what was left out.

    ``parts`` (h, w) are values of `Part`, and may have another size.
    """
    tile_mpp, found = slide.mpp_x * grid.l0_scale_x, shares(parts)
    caption = (
        f"{with_noun(len(index), 'tile')} of {grid.tile_size} px at {tile_mpp:.3g} µm/px\n"
        f"{percent(found[PARTS[Part.TISSUE].name])} tissue; left out: {left_out(parts)}"
    )
    base = enlarged_or_reduced(_veiled(thumbnail, parts), slide)
    picture = SlideFigure(base, slide, caption=caption, legend=_legend(found))
    _draw_tiles(picture, grid, index, pixels_per_l0=base.shape[1] / slide.width)
    _draw_outline(picture, parts == Part.TISSUE, grid)
    if not len(index):
        picture.note("no tissue found")
    picture.save(path)


def _draw_tiles(picture: SlideFigure, grid: TileGrid, index: TileIndex, *, pixels_per_l0: float) -> None:
    left, top = index.location.T
    right, bottom = (index.location + index.size).T
    corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1).reshape(-1, 4, 2)
    strength = min(1.0, grid.stride * grid.l0_scale_x * pixels_per_l0 / FULL_LINE_TILE)
    # No path simplification or snapping happens to a collection, so tiles stay where they are.
    picture.axes.add_collection(
        PolyCollection(
            list(corners),
            facecolors=[(0.11, 0.31, 0.85, 0.08)],
            edgecolors=[(0.11, 0.31, 0.85, 0.75 * strength)],
            linewidths=0.2 + 0.5 * strength,
        ),
        autolim=False,
    )


def _draw_outline(picture: SlideFigure, tissue_mask: NDArray[np.bool_], grid: TileGrid) -> None:
    if tissue_mask.all() or not tissue_mask.any():
        return  # no border between tissue and background: nothing to draw a line along
    height, width = tissue_mask.shape
    l0_x = (np.arange(width) + 0.5) * (grid.slide_width / width)
    l0_y = (np.arange(height) + 0.5) * (grid.slide_height / height)
    picture.axes.contour(
        l0_x, l0_y, tissue_mask.astype(np.float32), levels=[0.5], colors=PARTS[Part.TISSUE].colour, linewidths=1.0
    )


def _veiled(thumbnail: NDArray[np.uint8], parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thumbnail with the colours of `PARTS` over what was left out."""
    picture = thumbnail.astype(np.float32)
    rows, columns = (np.arange(own) * other // own for own, other in zip(thumbnail.shape[:2], parts.shape, strict=True))
    laid = parts[rows[:, None], columns]
    for part, facts in PARTS.items():
        if facts.colour and part != Part.TISSUE:
            colour = np.array(to_rgb(facts.colour), np.float32) * 255
            picture[laid == part] = (1 - VEIL) * picture[laid == part] + VEIL * colour
    return (picture + 0.5).astype(np.uint8)


def _legend(found: Mapping[str, float]) -> list[tuple[str, str]]:
    lines = [("— tissue", str(PARTS[Part.TISSUE].colour)), ("□ kept tiles", TILE_COLOUR)]
    shown = [facts for part, facts in PARTS.items() if facts.colour and part != Part.TISSUE and found[facts.name]]
    return lines + [(f"■ {facts.words}", str(facts.colour)) for facts in shown]
