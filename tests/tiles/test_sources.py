"""Where reference tiles come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.stores.make import COLUMNS, SIDE, make_tile_store
from tests.training.tiles import MemorySource
from wsi_haloae.adaptation.neighbourhood import have_neighbours
from wsi_haloae.errors import UsageError
from wsi_haloae.images.files import find_images, list_images
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.sources import (
    CombinedSource,
    ImageFolderSource,
    TileStoreSource,
    group_by_regex,
)


def save(path: Path, width: int = 8, height: int = 8, value: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)
    return path


def test_a_folder_gives_its_images_in_order(tmp_path: Path) -> None:
    for name, value in (("b/2.png", 2), ("a/1.PNG", 1), ("a/3.tif", 3)):
        save(tmp_path / name, value=value)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    files = list_images(tmp_path)
    source = ImageFolderSource(tmp_path, 0.5, files, ["g1", "g1", "g2"])
    assert [int(source.read(number)[0, 0, 0]) for number in range(3)] == [1, 3, 2]
    assert (source.tile_size, source.mpp, source.groups) == (8, 0.5, ["g1", "g1", "g2"])
    assert len(set(source.blocks)) == 3
    assert not have_neighbours(source.positions, 1000), "nobody knows where they lie"


@pytest.mark.parametrize(("width", "height"), [(9, 9), (8, 9)])
def test_images_of_another_size_are_refused_by_name(width: int, height: int, tmp_path: Path) -> None:
    files = [save(tmp_path / "a.png"), save(tmp_path / "b.png", width, height)]
    with pytest.raises(UsageError, match=rf"b\.png: {width} x {height}.*a\.png has 8 x 8"):
        ImageFolderSource(tmp_path, 0.5, files, ["a", "b"])


def test_images_that_are_no_squares_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="squares"):
        ImageFolderSource(tmp_path, 0.5, [save(tmp_path / "a.png", 8, 9)], ["a"])


def test_a_broken_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(UsageError, match=r"broken\.png"):
        ImageFolderSource(tmp_path, 0.5, [tmp_path / "broken.png"], ["a"])


def test_a_truncated_image_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-1500])
    source = ImageFolderSource(tmp_path, 0.5, [path], ["a"])
    with pytest.raises(UsageError, match=r"a\.png: cannot be read"):
        source.read(0)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r"^[^/]+", ["p1", "p1", "p2"]), (r"s(\d+)_", ["1", "2", "1"]), (r"p\d/s\d", ["p1/s1", "p1/s2", "p2/s1"])],
)
def test_groups_are_what_the_expression_matches(pattern: str, expected: list[str], tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("p1/s1_a.png", "p1/s2_a.png", "p2/s1_b.png")]
    assert group_by_regex(files, tmp_path, pattern) == expected


@pytest.mark.parametrize(("pattern", "told"), [("(", "not a regular expression"), (r"x\d", "does not match p1")])
def test_an_expression_that_cannot_group_is_told(pattern: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        group_by_regex([tmp_path / "p1.png"], tmp_path, pattern)


def test_combined_sources_count_on() -> None:
    parts = [MemorySource(3, name="a"), MemorySource(2, name="b", mpp=0.505)]
    both = CombinedSource(parts)
    assert both.groups == [*parts[0].groups, *parts[1].groups]
    assert both.blocks == [*parts[0].blocks, *parts[1].blocks]
    assert both.positions[:, 0].tolist() == [0, 1, 2, 3, 4], "no two parts share a slide"
    assert (both.name, both.tile_size, both.mpp) == ("a, b", parts[0].tile_size, 0.5)
    for number, (part, own) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        np.testing.assert_array_equal(both.read(number), parts[part].tiles[own])
    with pytest.raises(IndexError):
        both.read(5)


@pytest.mark.parametrize("other", [MemorySource(2, mpp=0.52, name="b"), MemorySource(2, size=64, name="b")])
def test_sources_of_different_scale_or_size_are_refused(other: MemorySource) -> None:
    with pytest.raises(UsageError, match=r"b: tiles of .*A model"):
        CombinedSource([MemorySource(2, name="a"), other])


def test_a_tile_store_gives_its_readable_tiles_by_slide(tmp_path: Path) -> None:
    store = make_tile_store(tmp_path / "tiles.zarr", 70, mpp=(0.4, 0.9))
    for shard in range(store.shards):
        place = store.shard_slice(shard)
        count = place.stop - place.start
        pixels = np.broadcast_to(
            np.arange(place.start, place.stop, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3)
        )
        states = np.full(count, TileState.DONE, np.uint8)
        states[1] = TileState.UNREADABLE
        store.write_shard(shard, pixels, states)
    store.assemble()
    source = TileStoreSource(tmp_path / "tiles.zarr")
    readable = [number for number in range(70) if number not in {1, 65}]
    assert [int(source.read(number)[0, 0, 0]) for number in range(len(readable))] == readable
    assert source.groups == ["slide.svs"] * 68
    assert source.mpp == pytest.approx(0.6)
    assert source.blocks[:5] == ["slide.svs block 0,0"] * 3 + ["slide.svs block 0,1"] * 2
    assert TileStoreSource(tmp_path / "tiles.zarr", "patient 7").groups == ["patient 7"] * 68
    rows, columns = np.divmod(readable, COLUMNS)
    expected = np.stack([0 * rows, (columns + 0.5) * SIDE * 0.4, (rows + 0.5) * SIDE * 0.9], axis=1)
    np.testing.assert_allclose(source.positions, expected, rtol=1e-6)
    assert source.positions.dtype == np.float32


def test_a_store_whose_tiling_was_interrupted_is_refused(tmp_path: Path) -> None:
    make_tile_store(tmp_path / "tiles.zarr", 3)
    with pytest.raises(UsageError, match="interrupted"):
        TileStoreSource(tmp_path / "tiles.zarr")


def test_tiles_of_16_bits_are_what_they_are_in_8(tmp_path: Path) -> None:
    """Case 09: each was read as pure white."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels.astype(np.uint16) * 257)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    source = ImageFolderSource.open(tmp_path, 0.5)
    np.testing.assert_array_equal(source.read(0), source.read(1))
    np.testing.assert_array_equal(source.read(0)[..., 0], pixels)


def test_hidden_images_are_no_tiles(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7")
    save(tmp_path / ".ipynb_checkpoints/b.png")
    assert find_images(tmp_path) == ([tmp_path / "a.png"], 2)
