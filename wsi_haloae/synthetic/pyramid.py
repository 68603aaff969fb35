"""A pyramidal TIFF that OpenSlide and QuPath open, written row by row from a function that draws a row of tiles.

Level 0 is never held in memory. While a level is written, a reduced copy goes to a temporary file
beside the output, from which the next level is written. Memory use is a few rows of tiles.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.atomic import replacing

REDUCTION = 4
"""Factor between one level and the next."""
SMALLEST_LEVEL = 512
"""The last level is the first whose sides are at most this."""

Pixels = NDArray[np.uint8]
DrawRow = Callable[[int], list[Pixels]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Compression:
    """Arguments for tifffile, and the number of pixels above which a file may exceed the 4 GB of a classic TIFF."""

    arguments: Mapping[str, Any]
    big_tiff_pixels: int


JPEG = Compression(
    {
        "compression": "jpeg",
        # High: coarser quantisation takes colour from fine nuclei but not from fibres, and so tells them apart.
        "compressionargs": {"level": 94},
        "subsampling": (1, 1),  # halved colour, too, would take more from nuclei than from fibres
    },
    2_000_000_000,
)
LOSSLESS = Compression(
    # Deflate: what every reader of TIFF knows. With the predictor it is as small as Zstandard.
    {"compression": "zlib", "compressionargs": {"level": 6}, "predictor": True},
    1_200_000_000,
)


def write_pyramid(
    path: Path,
    draw_row: DrawRow,
    *,
    width: int,
    height: int,
    mpp: float,
    tile: int,
    compression: Compression,
    progress: Progress | None = None,
) -> None:
    """Write a slide of ``width`` x ``height`` pixels at ``mpp`` micrometres per pixel.

    ``draw_row(row)`` returns the tiles (tile, tile, 3) of a row of level 0, full-sized also at the
    edges; it is called once per row, from the top. ``tile`` is a multiple of 16. The same tiles
    give the same bytes. ``progress`` is called with (rows written, total rows) of level 0. The file
    appears under its name only when it is complete.
    """
    assert tile % 16 == 0
    level = _Level(width, height, tile, mpp)
    big = width * height >= compression.big_tiff_pixels
    with replacing(path) as partial, tifffile.TiffWriter(partial, bigtiff=big) as tiff:
        _write_levels(tiff, _drawn(draw_row, level, progress), level, compression, path.parent)


@dataclass(frozen=True)
class _Level:
    """Size of one level in pixels, side of its tiles, micrometres per pixel."""

    width: int
    height: int
    tile: int
    mpp: float
    is_reduced: bool = False

    @property
    def columns(self) -> int:
        return -(-self.width // self.tile)

    @property
    def rows(self) -> int:
        return -(-self.height // self.tile)

    def reduced(self) -> _Level:
        return _Level(
            self.width // REDUCTION, self.height // REDUCTION, self.tile, self.mpp * REDUCTION, is_reduced=True
        )


def _write_levels(
    tiff: tifffile.TiffWriter, rows: Iterator[list[Pixels]], level: _Level, compression: Compression, folder: Path
) -> None:
    with ExitStack() as spools:
        spool = spools.enter_context(tempfile.TemporaryFile(dir=folder))
        _write_level(tiff, _spooled(rows, level, spool), level, compression)
        while max(level.width, level.height) > SMALLEST_LEVEL:
            level, finer = level.reduced(), spool
            spool = spools.enter_context(tempfile.TemporaryFile(dir=folder))
            _write_level(tiff, _spooled(_from_spool(finer, level), level, spool), level, compression)


def _write_level(tiff: tifffile.TiffWriter, tiles: Iterator[Pixels], level: _Level, compression: Compression) -> None:
    tiff.write(
        tiles,
        shape=(level.height, level.width, 3),
        dtype=np.uint8,
        tile=(level.tile, level.tile),
        photometric="rgb",
        **compression.arguments,
        subfiletype=int(level.is_reduced),
        resolution=(1e4 / level.mpp, 1e4 / level.mpp),
        resolutionunit="CENTIMETER",
        metadata=None,
        software="wsi-haloae",
        buffersize=level.columns * level.tile**2 * 3,  # by default 512 MB of tiles wait for the compressing threads
    )


def _drawn(draw_row: DrawRow, level: _Level, progress: Progress | None) -> Iterator[list[Pixels]]:
    for row in range(level.rows):
        tiles = draw_row(row)
        if progress is not None:  # before the yield: nobody asks for more after the last row
            progress(row + 1, level.rows)
        yield tiles


def _spooled(rows: Iterator[list[Pixels]], level: _Level, spool: IO[bytes]) -> Iterator[Pixels]:
    """The rows' tiles, one by one; ``spool`` is left with the level reduced, cut to whole pixels."""
    for row, tiles in enumerate(rows):
        strip = np.concatenate([np.asarray(Image.fromarray(pixels).reduce(REDUCTION)) for pixels in tiles], axis=1)
        kept = min(level.height - row * level.tile, level.tile) // REDUCTION
        spool.write(np.ascontiguousarray(strip[:kept, : level.width // REDUCTION]).data)
        yield from tiles


def _from_spool(spool: IO[bytes], level: _Level) -> Iterator[list[Pixels]]:
    """Rows of tiles of a reduced level, filled up at the edges with their last pixels."""
    spool.seek(0)
    for top in range(0, level.height, level.tile):
        rows = min(level.tile, level.height - top)
        strip = np.frombuffer(spool.read(rows * level.width * 3), np.uint8).reshape(rows, level.width, 3)
        strip = np.pad(strip, ((0, level.tile - rows), (0, -level.width % level.tile), (0, 0)), mode="edge")
        yield np.split(strip, level.columns, axis=1)
