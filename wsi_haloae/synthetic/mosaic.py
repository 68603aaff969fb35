"""A mosaic slide: real tiles laid out as a slide with known truth, to judge whole slides on real texture.

The slide is written without loss by default. Its tiles are mostly JPEG already; a second JPEG
changes them (at quality 94 by one grey value on average, on GlaS tiles), and not every class equally,
so a model would be judged on pixels that differ from its tiles. Tiles may be turned and flipped, but
not resized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from wsi_haloae.errors import UsageError
from wsi_haloae.images.tile_size import common_tile_size
from wsi_haloae.synthetic.mosaic_layout import MosaicLayout, make_mosaic_layout
from wsi_haloae.synthetic.mosaic_tiles import ORIENTATIONS, PlacedTile, TileFiles, anomalous_class, place_tiles
from wsi_haloae.synthetic.mosaic_truth import outlines, write_mosaic_table
from wsi_haloae.synthetic.pyramid import LOSSLESS, Compression, Pixels, Progress, write_pyramid
from wsi_haloae.synthetic.truth_geojson import TrueRegion, maker_namespace, write_truth
from wsi_haloae.tissue.glass import FALLBACK

TIFF_TILE = 256
GLASS = np.array(FALLBACK, np.uint8)
REFERENCE_COLOUR = (60, 60, 200)
ANOMALOUS_COLOURS = ((200, 0, 0), (230, 140, 0), (200, 0, 160), (120, 60, 0))
"""In QuPath. Blue is reference and warm is anomalous, as in a heatmap."""
NAMESPACE = maker_namespace("mosaic")


@dataclass(frozen=True)
class MosaicSettings:
    """Size and layout of a mosaic.

    ``rows`` x ``columns`` cells, each one tile, of which ``margin`` (at least 1) at every edge
    are glass. ``share`` (0 to 1) of the tissue's tiles are anomalous, in ``regions`` regions.
    ``offset`` in pixels shifts the cells to the right and down, relative to the grid of a tiler that
    starts in the corner: its tiles then mix up to four neighbours. A file is used at most
    ``max_uses`` times. ``mpp`` is micrometres per pixel.
    """

    mpp: float
    rows: int
    columns: int
    seed: int = 0
    share: float = 0.1
    regions: int = 4
    margin: int = 2
    offset: int = 0
    max_uses: int = ORIENTATIONS


@dataclass(frozen=True)
class Mosaic:
    """The plan of a mosaic: which tile goes where, without pixels."""

    settings: MosaicSettings
    reference: TileFiles
    anomalous: Sequence[TileFiles]
    tile_size: int
    layout: MosaicLayout
    tiles: Sequence[PlacedTile]

    @property
    def width(self) -> int:
        """Width of level 0 in pixels."""
        return self.settings.columns * self.tile_size

    @property
    def height(self) -> int:
        """Height of level 0 in pixels."""
        return self.settings.rows * self.tile_size

    def write_slide(self, path: Path, *, compression: Compression = LOSSLESS, progress: Progress | None = None) -> None:
        """Write the pyramid; see `write_pyramid`. Raises `UsageError` if a tile's file cannot be read."""
        write_pyramid(
            path,
            _Rows(self).draw,
            width=self.width,
            height=self.height,
            mpp=self.settings.mpp,
            tile=TIFF_TILE,
            compression=compression,
            progress=progress,
        )

    def write_table(self, path: Path) -> None:
        """Write every tile as a line of CSV (columns: see `mosaic_truth`)."""
        write_mosaic_table(path, self.tiles, self.tile_size, self.settings.offset)

    def write_geojson(self, path: Path) -> None:
        """Write one annotation per piece of the reference class and per anomalous region, for QuPath."""
        write_truth(path, NAMESPACE, self.true_regions())

    def true_regions(self) -> Iterator[TrueRegion]:
        """Polygons of the truth; together they are the tissue, and they share only edges."""
        for number in range(len(self.layout.sizes) + 1):
            kind, colour = self._class_of(number)
            cells = np.argwhere(self.layout.tissue & (self.layout.region == number))
            for piece, polygon in enumerate(outlines(cells, self.tile_size, self.settings.offset), start=1):
                name = f"{kind}, region {number}" if number else f"{kind} {piece}"
                key = f"{self.settings.seed} {self.width}x{self.height} {name}"
                yield TrueRegion(key, name, kind, colour, polygon)

    def _class_of(self, region: int) -> tuple[str, tuple[int, int, int]]:
        if not region:
            return self.reference.class_name, REFERENCE_COLOUR
        number = anomalous_class(region, len(self.anomalous))
        return self.anomalous[number].class_name, ANOMALOUS_COLOURS[number % len(ANOMALOUS_COLOURS)]


def plan_mosaic(reference: TileFiles, anomalous: Sequence[TileFiles], settings: MosaicSettings) -> Mosaic:
    """Decide which tile goes where. The layout depends only on the settings, not on the tiles.

    There is at least one anomalous class, unless the share is 0. Raises `UsageError` for tiles
    that are not squares of one size, for a file that was given twice, and for a size, share or
    number of files that do not fit together.
    """
    assert anomalous or settings.share == 0
    files = [file for tiles in (reference, *anomalous) for file in tiles.files]
    _refuse_twins(files)
    tile_size = common_tile_size(files)
    if not 0 <= settings.offset < tile_size:
        raise UsageError(
            f"an offset of {settings.offset} px was asked for; tiles of {tile_size} px need 0 to {tile_size - 1}."
        )
    layout_rng, tile_rng = np.random.default_rng([settings.seed, settings.rows, settings.columns]).spawn(2)
    layout = make_mosaic_layout(
        layout_rng,
        settings.rows,
        settings.columns,
        margin=settings.margin,
        share=settings.share,
        regions=settings.regions,
    )
    tiles = place_tiles(tile_rng, layout, reference, anomalous, max_uses=settings.max_uses)
    return Mosaic(settings, reference, anomalous, tile_size, layout, tiles)


def _refuse_twins(files: Sequence[Path]) -> None:
    seen = set()
    for file in files:
        if (place := file.resolve()) in seen:
            raise UsageError(
                f"{file}: was given twice, but a tile has one class. Name each folder once, and none inside another."
            )
        seen.add(place)


class _Rows:
    """Draws rows of the TIFF's tiles, from the top; a row of mosaic tiles that two of them overlap is read once."""

    def __init__(self, mosaic: Mosaic) -> None:
        self._size, self._offset = mosaic.tile_size, mosaic.settings.offset
        self._columns = -(-mosaic.width // TIFF_TILE)
        self._rows = mosaic.settings.rows
        self._tiles = {row: list(tiles) for row, tiles in groupby(mosaic.tiles, key=lambda tile: tile.row)}
        self._last: tuple[int, Pixels] | None = None

    def draw(self, number: int) -> list[Pixels]:
        """The tiles of a row, (`TIFF_TILE`, `TIFF_TILE`, 3)."""
        top = number * TIFF_TILE
        bottom = top + TIFF_TILE
        band = self._glass(TIFF_TILE)
        first, last = ((y - self._offset) // self._size for y in (top, bottom - 1))
        for row in range(max(first, 0), min(last, self._rows - 1) + 1):
            strip_top = self._offset + row * self._size
            start, stop = max(top, strip_top), min(bottom, strip_top + self._size)
            band[start - top : stop - top] = self._strip(row)[start - strip_top : stop - strip_top]
        return np.split(band, self._columns, axis=1)

    def _strip(self, row: int) -> Pixels:
        """A row of the mosaic with glass beside it, as high as a tile and as wide as the TIFF."""
        if self._last is None or self._last[0] != row:
            strip = self._glass(self._size)
            for tile in self._tiles.get(row, []):
                left = self._offset + tile.column * self._size
                strip[:, left : left + self._size] = tile.pixels()
            self._last = (row, strip)
        return self._last[1]

    def _glass(self, height: int) -> Pixels:
        return np.full((height, self._columns * TIFF_TILE, 3), GLASS)
