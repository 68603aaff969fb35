"""Tiles that overlap a used one, on the same grid and on others, against a plain search over all pairs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.provenance.fingerprints import image_hash
from wsi_haloae.provenance.trained_on import TrainedOn
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.provenance.used_tiles import UsedGrid, UsedTiles, pack
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import GridRecord
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.known import known_images, known_tiles

WIDTH, HEIGHT = 1003, 771


def grid(size: int, stride: int, scale: float) -> TileGrid:
    return TileGrid(WIDTH, HEIGHT, size, stride, scale, scale)


def index_of(own: TileGrid) -> TileIndex:
    rows, columns = own.all_indices()
    sizes = own.clipped_sizes(rows, columns)
    return TileIndex(rows, columns, own.locations(rows, columns), sizes, np.ones(len(rows), np.float32))


def use(own: TileGrid, first: tuple[int, int], parts: np.ndarray) -> SlideUse:
    cells = UsedGrid(
        tile_size=own.tile_size, stride=own.stride, l0_scale_x=own.l0_scale_x, l0_scale_y=own.l0_scale_y,
        first_row=first[0], first_column=first[1], rows=parts.shape[0], columns=parts.shape[1],
    )  # fmt: skip
    return SlideUse(slide={"train": 1}, tiles=(UsedTiles.of(cells, pack(parts)),))


def searched(own: TileGrid, first: tuple[int, int], parts: np.ndarray, index: TileIndex) -> list[int]:
    """The same, pair by pair."""
    rows, columns = (places + start for places, start in zip(np.nonzero(parts), first, strict=True))
    starts, sizes = own.locations(rows, columns), own.clipped_sizes(rows, columns)
    numbers = parts[np.nonzero(parts)]
    found = []
    for low, size in zip(index.location, index.size, strict=True):
        meets = ((starts < low + size) & (starts + sizes > low)).all(axis=1)
        found.append(int(numbers[meets].min(initial=4)) % 4)
    return found


@pytest.mark.parametrize("stride", [64, 40])
@pytest.mark.parametrize("asked", [(64, 64, 1.37), (64, 32, 1.37), (50, 50, 1.0), (200, 150, 2.2)])
def test_every_tile_that_shares_a_pixel_is_found(asked: tuple[int, int, float], stride: int) -> None:
    own, other = grid(64, stride, 1.37), grid(*asked)
    parts = np.random.default_rng(1).choice(4, (5, 6), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    index = index_of(other)
    found = known_tiles(use(own, (3, 5), parts), GridRecord(**asdict(other)), index)
    assert found.tolist() == searched(own, (3, 5), parts, index)


def test_on_the_same_grid_neighbours_of_a_used_tile_are_not_used() -> None:
    own = grid(64, 64, 1.3700001)
    found = known_tiles(use(own, (2, 4), np.array([[2]], np.uint8)), GridRecord(**asdict(own)), index_of(own))
    assert np.flatnonzero(found).tolist() == [2 * own.columns + 4]
    assert found[2 * own.columns + 4] == 2


def test_of_two_grids_the_first_part_counts() -> None:
    own = grid(64, 64, 1.0)
    both = [use(own, (0, 0), np.array([[number]], np.uint8)).tiles[0] for number in (3, 1)]
    found = known_tiles(SlideUse(tiles=tuple(both)), GridRecord(**asdict(own)), index_of(own))
    assert found[:2].tolist() == [1, 0]


def test_a_copy_of_an_image_is_known_in_another_format(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "b.bmp")
    Image.fromarray(255 - pixels).save(tmp_path / "c.png")
    trained_on = TrainedOn.of([], {}, {"validation": [image_hash(decode_rgb(tmp_path / "a.png"))]})
    assert known_images(trained_on, [tmp_path / name for name in ("b.bmp", "c.png")]).tolist() == [2, 0]
