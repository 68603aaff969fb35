"""Writes a synthetic slide: a pyramidal TIFF of any size, with the truth about it.

Level 0 is made tile by tile and never held. Each level leaves a quarter-size copy of itself in a
temporary file beside the output, from which the next level is written; memory is one row of tiles.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from shapely.geometry import MultiPolygon

from wsi_haloae.atomic import replacing
from wsi_haloae.slide.synthetic_layout import SyntheticLayout, make_layout
from wsi_haloae.slide.synthetic_render import SyntheticRenderer
from wsi_haloae.slide.synthetic_truth import SyntheticTruth

REDUCTION = 4
"""Between one level and the next."""
SMALLEST_LEVEL = 512
"""The last level is the first whose sides are at most this."""
JPEG_QUALITY = 94
"""High: coarser quantisation takes colour from fine nuclei but not from fibres, and so tells them apart."""
BIG_TIFF_PIXELS = 2_000_000_000
"""From here on the file may pass the 4 GB of a classic TIFF."""

Progress = Callable[[int, int], None]
Pixels = NDArray[np.uint8]


def write_synthetic_slide(
    path: Path,
    *,
    width: int,
    height: int,
    seed: int,
    mpp: float = 0.5,
    tile: int = 256,
    progress: Progress | None = None,
) -> SyntheticTruth:
    """Write the slide and say what is where on it.

    Sides are in pixels, at least 512; ``mpp`` is micrometres per pixel; ``tile`` is the side of the
    TIFF's tiles, a multiple of 16 up to 512. The same arguments give the same bytes.
    ``progress`` is told (rows of tiles written, all of them) of level 0. The file appears
    under its name only when it is complete.
    """
    assert min(width, height) >= 512 and tile % 16 == 0 and 16 <= tile <= 512
    rng = np.random.default_rng([seed, width, height])
    layout = make_layout(rng, width, height, mpp)
    renderer = SyntheticRenderer(layout, rng)
    big = width * height >= BIG_TIFF_PIXELS
    with replacing(path) as partial, tifffile.TiffWriter(partial, bigtiff=big) as tiff:
        _write_levels(tiff, renderer, _Level(width, height, tile, mpp), path.parent, progress)
    return SyntheticTruth(seed, width, height, _classes(layout))


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


def _classes(layout: SyntheticLayout) -> dict[str, MultiPolygon]:
    return {"Tumor": layout.tumour, "Stroma": layout.stroma, "Pen": layout.pen, "Blur": layout.blur}


def _write_levels(
    tiff: tifffile.TiffWriter, renderer: SyntheticRenderer, level: _Level, folder: Path, progress: Progress | None
) -> None:
    with ExitStack() as spools:
        spool = spools.enter_context(tempfile.TemporaryFile(dir=folder))
        _write_level(tiff, _spooled(_rendered(renderer, level, progress), level, spool), level)
        while max(level.width, level.height) > SMALLEST_LEVEL:
            level, finer = level.reduced(), spool
            spool = spools.enter_context(tempfile.TemporaryFile(dir=folder))
            _write_level(tiff, _spooled(_from_spool(finer, level), level, spool), level)


def _write_level(tiff: tifffile.TiffWriter, tiles: Iterator[Pixels], level: _Level) -> None:
    tiff.write(
        tiles,
        shape=(level.height, level.width, 3),
        dtype=np.uint8,
        tile=(level.tile, level.tile),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": JPEG_QUALITY},
        subsampling=(1, 1),  # halved colour, too, would take more from nuclei than from fibres
        subfiletype=int(level.is_reduced),
        resolution=(1e4 / level.mpp, 1e4 / level.mpp),
        resolutionunit="CENTIMETER",
        metadata=None,
        software="wsi-haloae",
    )


def _rendered(renderer: SyntheticRenderer, level: _Level, progress: Progress | None) -> Iterator[list[Pixels]]:
    """Rows of tiles of level 0, whole ones also at the edges."""
    tile = level.tile
    for row in range(level.rows):
        labels = renderer.labels(0, row * tile, level.columns * tile, tile)
        inside = np.split(labels, level.columns, axis=1)
        tiles = [renderer.pixels(column * tile, row * tile, inside[column]) for column in range(level.columns)]
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
