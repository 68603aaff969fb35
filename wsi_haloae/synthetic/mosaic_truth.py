"""The truth of a mosaic slide: its classes as polygons for QuPath, and every tile as a line of a table.

x, y, width, height   level-0 pixels from the slide's top left corner
row, column           cell of the mosaic, from 0; without an offset also the tile that
                      'wsi-haloae tile' cuts there
class, region         anomalous regions are numbered from 1, the largest; empty for reference tiles
group                 patient or slide
source, turn, flip    the image file, flipped left to right if flip is 1, then turned
                      anticlockwise by that many degrees
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from wsi_haloae.atomic import replacing
from wsi_haloae.quoting import printable, safe_cell
from wsi_haloae.synthetic.mosaic_tiles import PlacedTile

COLUMNS = (
    "x", "y", "width", "height", "row", "column", "class", "region", "group", "source", "turn", "flip",
)  # fmt: skip


def outlines(cells: NDArray[np.int64], tile_size: int, offset: int) -> list[Polygon]:
    """The union of cells, (n, 2) as (row, column), as polygons in level-0 pixels without redundant corners."""
    y, x = (cells * tile_size + offset).T
    union = shapely.union_all(shapely.box(x, y, x + tile_size, y + tile_size))
    return list(shapely.get_parts(shapely.simplify(union, 0)))


def write_mosaic_table(path: Path, tiles: Sequence[PlacedTile], tile_size: int, offset: int) -> None:
    """Write every tile, as UTF-8 with line feeds."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for tile in tiles:
            place = (tile.column * tile_size + offset, tile.row * tile_size + offset, tile_size, tile_size)
            words = (tile.class_name, str(tile.region or ""), tile.group, tile.file.as_posix())
            cells = (safe_cell(printable(word)) for word in words)
            writer.writerow((*place, tile.row, tile.column, *cells, tile.turn, int(tile.flip)))
