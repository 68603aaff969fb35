"""Images as a source of tiles: read once, of one size, known by content."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mvtec.test_image_set import save
from wsi_haloae.errors import UsageError
from wsi_haloae.mvtec import image_source
from wsi_haloae.mvtec.image_reading import median_grey, read_square
from wsi_haloae.mvtec.image_source import ImageSource
from wsi_haloae.tiles.sources import TileSource


def make_files(folder: Path) -> list[Path]:
    """Two images of different sizes and brightness."""
    random = np.random.default_rng(0)
    files = [folder / "b" / "1.png", folder / "a" / "2.png"]
    for file, side, level in zip(files, (20, 32), (40, 150), strict=True):
        file.parent.mkdir(parents=True)
        Image.fromarray(random.integers(level, level + 60, (side, side, 3), dtype=np.uint8)).save(file)
    return files


def test_images_become_tiles_of_one_size_each_its_own_group(tmp_path: Path) -> None:
    files = make_files(tmp_path)
    source: TileSource = ImageSource(tmp_path, files, 16)
    assert (source.name, source.tile_size, source.mpp) == (str(tmp_path), 16, 1.0)
    assert source.groups == source.blocks == ["b/1.png", "a/2.png"]
    assert source.positions[:, 0].tolist() == [0, 1], "no image is another one's neighbour"
    for number, file in enumerate(files):
        np.testing.assert_array_equal(source.read(number), read_square(file, 16))


def test_the_median_is_applied_on_reading(tmp_path: Path) -> None:
    source = ImageSource(tmp_path, make_files(tmp_path), 16, 90.0)
    assert [median_grey(source.read(number)) for number in (0, 1, 0, 1)] == pytest.approx([90.0] * 4, abs=1)


def test_an_image_is_read_once_and_what_is_kept_cannot_be_changed(tmp_path: Path) -> None:
    files = make_files(tmp_path)
    source = ImageSource(tmp_path, files, 16)
    expected = source.read(0).copy()
    files[0].unlink()
    for _ in range(2):
        tile = source.read(0)
        np.testing.assert_array_equal(tile, expected)
        tile[:] = 0
    first = source.read(1)
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(source.read(1), kept)


def test_images_beyond_the_limit_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_source, "CACHE_BYTES", 2 * 16 * 16 * 3 - 1)  # one image, not two
    files = make_files(tmp_path)
    source = ImageSource(tmp_path, files, 16)
    for number in (0, 1):
        source.read(number)
        files[number].unlink()
    source.read(0)
    with pytest.raises(UsageError, match=r"2\.png"):
        source.read(1)


def test_workers_get_no_pixels_but_read_the_same(tmp_path: Path) -> None:
    source = ImageSource(tmp_path, make_files(tmp_path), 256)
    small = len(pickle.dumps(source))
    expected = source.read(0)
    assert len(pickle.dumps(source)) == small
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source)).read(0), expected)
    np.testing.assert_array_equal(source.read(0), expected)


def test_the_digest_says_which_images_not_where(tmp_path: Path) -> None:
    files = make_files(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    moved = [tmp_path / "there" / file.relative_to(tmp_path / "here") for file in files]
    digest = ImageSource(tmp_path / "here", files, 16).digest()
    assert ImageSource(tmp_path / "there", moved, 16).digest() == digest
    others = [
        ImageSource(tmp_path / "here", files, 24),
        ImageSource(tmp_path / "here", files, 16, 90.0),
        ImageSource(tmp_path / "here", files[::-1], 16),
        ImageSource(tmp_path / "here", files[:1], 16),
        ImageSource(tmp_path, files, 16),
    ]
    digests = [other.digest() for other in others]
    assert len({digest, *digests}) == 6
    save(files[0], 3)
    assert ImageSource(tmp_path / "here", files, 16).digest() != digest
