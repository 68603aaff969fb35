"""Choosing tiles, and reading them into a store."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import shapely

from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.sharded import TileIndex, TileState
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.tiler import fill_tile_store
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.tissue.mask import TissueMask

SIDE, COLUMNS, ROWS = 8, 16, 9
PIXELS = np.random.default_rng(1).integers(0, 256, (ROWS * SIDE - 3, COLUMNS * SIDE - 5, 3), dtype=np.uint8)


def slide(**options: object) -> MemorySlide:
    return MemorySlide(PIXELS, background=(240, 241, 242), **options)


def mask_of(tissue: np.ndarray, per_pixel: float) -> TissueMask:
    return TissueMask(tissue.astype(np.uint8), np.zeros((*tissue.shape, 3), np.uint8), per_pixel, per_pixel, {})


def tiling(min_fraction: float = 0.1, stride: int | None = None, source: MemorySlide | None = None) -> Tiling:
    properties = (source or slide()).properties
    return Tiling.of(properties, TilingSettings(None, SIDE, stride), TissueConfig(min_fraction=min_fraction))


def chosen_places(index: TileIndex) -> set[tuple[int, int]]:
    return set(zip(index.row.tolist(), index.column.tolist(), strict=True))


def test_tiles_with_enough_tissue_are_chosen() -> None:
    tissue = np.zeros((ROWS * 2, COLUMNS * 2), bool)  # four pixels of the mask per tile
    tissue[2, 4] = True  # a quarter of tile (1, 2)
    tissue[6:8, 10] = True  # half of tile (3, 5)
    mask = mask_of(tissue, SIDE / 2)
    assert chosen_places(tiling(0.1).choose(mask)) == {(1, 2), (3, 5)}
    assert chosen_places(tiling(0.25).choose(mask)) == {(1, 2), (3, 5)}
    assert chosen_places(tiling(0.26).choose(mask)) == {(3, 5)}
    assert tiling().choose(mask).tissue_fraction.tolist() == [0.25, 0.5]


def test_a_tile_of_the_edge_is_judged_by_what_lies_on_the_slide() -> None:
    tissue = np.ones((ROWS * 2, COLUMNS * 2), bool)
    index = tiling(1.0).choose(mask_of(tissue, SIDE / 2))
    assert len(index) == ROWS * COLUMNS
    assert index.size[-1].tolist() == [SIDE - 5, SIDE - 3]


def test_bare_glass_is_never_chosen() -> None:
    assert len(tiling(0.0).choose(mask_of(np.zeros((4, 4), bool), 40.0))) == 0


def test_a_region_limits_what_is_chosen() -> None:
    everything = mask_of(np.ones((ROWS, COLUMNS), bool), SIDE)
    region = shapely.box(SIDE, SIDE, 2.5 * SIDE, 3 * SIDE)  # tiles (1..2, 1) whole, (1..2, 2) half
    assert chosen_places(tiling().choose(everything, region)) == {(1, 1), (2, 1), (1, 2), (2, 2)}
    assert chosen_places(tiling().choose(everything, region, 0.51)) == {(1, 1), (2, 1)}
    assert len(tiling().choose(everything, shapely.box(-50, -50, -10, -10))) == 0


def test_an_overlapping_grid_has_more_tiles_and_a_wrong_stride_is_refused() -> None:
    assert tiling(stride=4).grid.columns == 2 * COLUMNS - 2
    with pytest.raises(UsageError, match="--stride 9"):
        tiling(stride=9)


def test_the_header_says_what_the_tiles_were_made_from() -> None:
    source = slide(bounds=Bounds(1, 2, 30, 40), mpp=(0.25, 0.5))
    header = tiling(source=source).header()
    assert header.slide.fingerprint == source.properties.fingerprint
    assert (header.slide.width, header.slide.height) == (COLUMNS * SIDE - 5, ROWS * SIDE - 3)
    assert (header.slide.bounds, header.slide.background) == ((1, 2, 30, 40), (240, 241, 242))
    assert (header.read_plan["mpp_x"], header.read_plan["mpp_y"]) == (0.25, 0.5)
    assert (header.grid.tile_size, header.grid.stride) == (SIDE, SIDE)
    assert header.tissue["min_fraction"] == 0.1
    assert type(header).model_validate_json(header.model_dump_json()) == header


# Reading


def fill(path: Path, source: MemorySlide, workers: int = 2) -> tuple[TileStore, Reporter]:
    """Every tile of the slide, into a new store or the one that is there."""
    reporter = Reporter(quiet=True)
    plan = tiling(source=source)
    index = plan.choose(mask_of(np.ones((ROWS, COLUMNS), bool), SIDE))
    store = TileStore.open(path) if path.exists() else TileStore.create(path, plan.header(), index)
    with ThreadHandles(lambda: source) as handles:
        fill_tile_store(store, handles, workers=workers, reporter=reporter)
    return store, reporter


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def expected_tile(row: int, column: int) -> np.ndarray:
    padded = np.full((ROWS * SIDE, COLUMNS * SIDE, 3), (240, 241, 242), np.uint8)
    padded[: PIXELS.shape[0], : PIXELS.shape[1]] = PIXELS
    return padded[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]


def test_every_tile_lands_at_its_place(tmp_path: Path) -> None:
    store, reporter = fill(tmp_path / "tiles.zarr", slide())
    assert len(store) == ROWS * COLUMNS > 2 * SHARD_TILES
    assert (store.states() == TileState.DONE).all()
    assert not reporter.warnings
    for number, place in enumerate(zip(store.index.row, store.index.column, strict=True)):
        np.testing.assert_array_equal(store.read_tile(number), expected_tile(*place))


def test_a_tile_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    store, reporter = fill(tmp_path / "tiles.zarr", slide(unreadable=[(3 * SIDE + 2, 2 * SIDE + 2, SIDE, 1)]))
    lost = {(2, 3), (2, 4)}
    for number, place in enumerate(zip(store.index.row.tolist(), store.index.column.tolist(), strict=True)):
        if place in lost:
            assert store.states()[number] == TileState.UNREADABLE
            assert (store.read_tile(number) == (240, 241, 242)).all()
        else:
            assert store.states()[number] == TileState.DONE
            np.testing.assert_array_equal(store.read_tile(number), expected_tile(*place))
    assert len(reporter.warnings) == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_no_byte(workers: int, tmp_path: Path) -> None:
    fill(tmp_path / "expected.zarr", slide(), workers=2)
    fill(tmp_path / "tiles.zarr", slide(), workers=workers)
    assert digests(tmp_path / "tiles.zarr") == digests(tmp_path / "expected.zarr")


class Dying(MemorySlide):
    """Raises what no one expects after some reads."""

    def __init__(self, reads: int) -> None:
        super().__init__(PIXELS, background=(240, 241, 242))
        self.left = reads

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> np.ndarray:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().read_region(l0_x, l0_y, level, width, height)


@pytest.mark.parametrize(("reads", "pending"), [(0, [0, 1, 2]), (SHARD_TILES + 5, [1, 2]), (2 * SHARD_TILES, [2])])
def test_an_interrupted_tiling_goes_on_to_the_same_bytes(reads: int, pending: list[int], tmp_path: Path) -> None:
    fill(tmp_path / "expected.zarr", slide())
    path = tmp_path / "tiles.zarr"
    with pytest.raises(KeyboardInterrupt):
        fill(path, Dying(reads), workers=1)
    assert TileStore.open(path).pending_shards() == pending
    counting = Dying(10_000)
    fill(path, counting)
    assert 10_000 - counting.left == ROWS * COLUMNS - (3 - len(pending)) * SHARD_TILES
    assert digests(path) == digests(tmp_path / "expected.zarr")


def test_a_finished_store_is_not_read_again(tmp_path: Path) -> None:
    fill(tmp_path / "tiles.zarr", slide())
    before = digests(tmp_path / "tiles.zarr")
    fill(tmp_path / "tiles.zarr", Dying(0))
    assert digests(tmp_path / "tiles.zarr") == before
