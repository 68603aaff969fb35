"""Whether a slide's own tiles, decoded without OpenSlide, have its pixels: compared on some tiles of each level.

Decoders of one format may differ in the last bit, by how they transform and how they enlarge halved colours. All tiles
of a level were written alike, so a few tell: those with the fewest and the most bytes and between (glass and tissue),
and those at the edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wsi_haloae.bounds.pixels import UNREADABLE
from wsi_haloae.errors import RegionReadError
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.slide_file import OncePerFile
from wsi_haloae.slide.tile_layout import TileLevel, read_layout

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of a level's tiles in the order of their bytes, these are compared, and three at the edges."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """The levels whose own tiles may be decoded, by number, and who decodes them, in words."""

    levels: Mapping[int, TileLevel]
    reader: str


_verdicts = OncePerFile[Verdict](16)
"""Few: the places of 150,000 tiles take 2 MB."""


def verdict_on(slide: Slide, file: BinaryIO, path: Path) -> Verdict:
    """The verdict on a slide that OpenSlide has open, and on its file; found once for all handles of a process."""
    return _verdicts.ask(path, file, lambda: _found(slide, file, path))


def _found(slide: Slide, file: BinaryIO, path: Path) -> Verdict:
    facts = slide.properties
    levels = read_layout(file, path, facts.level_dimensions, facts.level_downsamples)
    if not levels:
        return Verdict({}, "OpenSlide (its tiles are neither JPEG nor JPEG 2000 in RGB, or very large)")
    for number, level in levels.items():
        doubt = _doubt(slide, file, number, level)
        if doubt:
            return Verdict({}, f"OpenSlide ({doubt})")
    names = ", ".join(sorted({level.codec.name for level in levels.values()}))
    others = "" if len(levels) == len(facts.level_dimensions) else f" at level {', '.join(map(str, levels))}"
    return Verdict(levels, f"{names}{others}, with OpenSlide's pixels")


def _doubt(slide: Slide, file: BinaryIO, number: int, level: TileLevel) -> str | None:
    """Why the tiles of a level are left to OpenSlide; None if those that both decode, at least one, are the same."""
    compared = False
    for tile in _some(level):
        width, height = level.cut.inside(tile)
        row, column = divmod(tile, level.cut.across)
        l0_x, l0_y = (
            level.downsample * place for place in (column * level.cut.tile_width, row * level.cut.tile_height)
        )
        try:
            ours = level.decode(file, tile)[:height, :width]
            theirs = slide.read_region(l0_x, l0_y, number, width, height)
        except (*UNREADABLE, RegionReadError):  # left to OpenSlide when it is read
            continue
        if not np.array_equal(ours, theirs):
            return f"tile {tile} of level {number} has other pixels by {level.codec.name}"
        compared = True
    return None if compared else f"{level.codec.name} decodes none of some tiles of level {number}"


def _some(level: TileLevel) -> list[int]:
    """The tiles to compare."""
    present = np.flatnonzero(level.counts)
    by_bytes = present[np.argsort(level.counts[present], kind="stable")]
    spread = [int(by_bytes[int(share * (len(by_bytes) - 1))]) for share in SHARES] if len(by_bytes) else []
    last, across = len(level.counts) - 1, level.cut.across
    return sorted({*spread, across - 1, last - across + 1, last})
