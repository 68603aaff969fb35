"""Tiles that lie in image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsi_haloae.errors import UsageError
from wsi_haloae.slide.image_file import common_tile_size, read_image


def blank(path: Path, width: int, height: int) -> Path:
    Image.new("RGB", (width, height)).save(path)
    return path


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0] = (10, 20, 30, 255)
    rgba[1, 0] = (100, 0, 0, 51)  # a fifth of it
    Image.fromarray(rgba).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert found[0].tolist() == [[10, 20, 30]] * 2
    assert found[1].tolist() == [[224, 204, 204], [255, 255, 255]]


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([9, 9, 9])
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png").tolist() == [[[255, 255, 255]]]


def test_grey_images_become_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 77, np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[77] * 3] * 2] * 2


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for read in (read_image, lambda path: common_tile_size([path])):
        with pytest.raises(UsageError, match=r"broken\.png: cannot be read"):
            read(tmp_path / "broken.png")


def test_the_size_that_all_share_is_the_tile_size(tmp_path: Path) -> None:
    assert common_tile_size([blank(tmp_path / f"{name}.png", 9, 9) for name in "ab"]) == 9


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 8)])
def test_a_tile_of_another_size_is_refused_by_name(width: int, height: int, tmp_path: Path) -> None:
    files = [blank(tmp_path / "a.png", 9, 9), blank(tmp_path / "b.png", width, height)]
    with pytest.raises(UsageError, match=rf"b\.png: {width} x {height} pixels, but a\.png has 9 x 9"):
        common_tile_size(files)


def test_tiles_that_are_no_squares_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="squares"):
        common_tile_size([blank(tmp_path / "a.png", 9, 8)])
