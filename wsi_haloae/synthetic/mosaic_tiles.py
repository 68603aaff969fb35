"""Which image file goes into which cell of a mosaic, and how it is turned.

A class's files are dealt out in rounds: every file once, in random order, then every file again.
In each round a file is turned and flipped in another of the eight possible ways, so that up to
eight uses of a file give different tiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.synthetic.mosaic_layout import Mask, MosaicLayout

ORIENTATIONS = 8
"""Four turns, each also flipped."""


@dataclass(frozen=True)
class TileFiles:
    """Tiles of one class, each an image file, and the group (patient, slide) of each."""

    class_name: str
    files: Sequence[Path]
    groups: Sequence[str]

    def __post_init__(self) -> None:
        """Every file has a group."""
        assert self.files and len(self.files) == len(self.groups)


@dataclass(frozen=True)
class PlacedTile:
    """A tile of a mosaic: its cell, its class and group, and its file.

    The file was flipped left to right if ``flip``, then turned anticlockwise by ``turn`` degrees.
    ``region`` is the number of its anomalous region, 0 for a reference tile.
    """

    row: int
    column: int
    class_name: str
    region: int
    group: str
    file: Path
    turn: int
    flip: bool

    def pixels(self) -> NDArray[np.uint8]:
        """The tile as the mosaic shows it, (s, s, 3). Raises `UsageError` if its file cannot be read."""
        tile = decode_rgb(self.file)
        return np.rot90(tile[:, ::-1] if self.flip else tile, self.turn // 90)


def place_tiles(
    rng: np.random.Generator,
    layout: MosaicLayout,
    reference: TileFiles,
    anomalous: Sequence[TileFiles],
    *,
    max_uses: int,
) -> list[PlacedTile]:
    """A tile for each cell of the tissue, in reading order.

    The anomalous classes take the regions in turn, the first the largest. Raises `UsageError` if
    a file would be used more than ``max_uses`` times, or a class gets no region.
    """
    if len(anomalous) > len(layout.sizes) > 0:
        raise UsageError(
            f"{len(anomalous)} anomalous classes ({', '.join(tiles.class_name for tiles in anomalous)}) need a region "
            f"each, but only {len(layout.sizes)} were requested. Choose more regions or leave a class out."
        )
    regions = range(1, len(layout.sizes) + 1)
    placed = _dealt(rng, layout, layout.tissue & (layout.region == 0), reference, max_uses)
    for number, tiles in enumerate(anomalous):
        own = [region for region in regions if anomalous_class(region, len(anomalous)) == number]
        placed += _dealt(rng, layout, np.isin(layout.region, own), tiles, max_uses)
    return sorted(placed, key=lambda tile: (tile.row, tile.column))


def anomalous_class(region: int, classes: int) -> int:
    """Which of the anomalous ``classes`` (from 0) fills a region (from 1): they take turns."""
    return (region - 1) % classes


def count_uses(placed: Sequence[PlacedTile], tiles: TileFiles) -> list[int]:
    """How often each file of a class was used, in the order of its files."""
    uses = Counter(tile.file for tile in placed)
    return [uses[file] for file in tiles.files]


def _dealt(
    rng: np.random.Generator, layout: MosaicLayout, cells: Mask, tiles: TileFiles, max_uses: int
) -> list[PlacedTile]:
    """One class's files in ``cells`` (rows, columns)."""
    places, count = np.argwhere(cells), len(tiles.files)
    rounds = -(-len(places) // count)
    if rounds > max_uses:
        raise UsageError(
            f"{tiles.class_name}: {len(places)} tiles are needed and {count} files are there, so some would be "
            f"used {rounds} times; at most {max_uses} uses are allowed (--max-uses). Give more files or choose "
            f"fewer rows and columns. From {ORIENTATIONS + 1} uses on, tiles are exact copies of others."
        )
    ways = rng.permuted(np.tile(np.arange(ORIENTATIONS), (count, 1)), axis=1)  # (files, rounds)
    dealt = [(file, round_) for round_ in range(rounds) for file in rng.permutation(count).tolist()]
    return [
        PlacedTile(
            row,
            column,
            tiles.class_name,
            int(layout.region[row, column]),
            tiles.groups[file],
            tiles.files[file],
            turn=90 * int(ways[file, round_ % ORIENTATIONS] // 2),
            flip=bool(ways[file, round_ % ORIENTATIONS] % 2),
        )
        for (row, column), (file, round_) in zip(places.tolist(), dealt, strict=False)
    ]
