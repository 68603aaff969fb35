"""The size that tiles in image files share."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from wsi_haloae.errors import UsageError
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.tile_size import common_tile_size


def blank(path: Path, width: int, height: int) -> Path:
    Image.new("RGB", (width, height)).save(path)
    return path


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for read in (decode_rgb, lambda path: common_tile_size([path])):
        with pytest.raises(UsageError, match=r"broken\.png: cannot be read"):
            read(tmp_path / "broken.png")


def test_the_size_that_all_share_is_the_tile_size(tmp_path: Path) -> None:
    assert common_tile_size([blank(tmp_path / f"{name}.png", 9, 9) for name in "ab"]) == 9


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 8)])
def test_a_tile_of_another_size_is_refused_by_name(width: int, height: int, tmp_path: Path) -> None:
    files = [blank(tmp_path / "a.png", 9, 9), blank(tmp_path / "b.png", width, height)]
    with pytest.raises(UsageError, match=rf"b\.png: {width} x {height} pixels, .* of one size \(a\.png has 9 x 9"):
        common_tile_size(files)


def test_tiles_that_are_no_squares_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="squares"):
        common_tile_size([blank(tmp_path / "a.png", 9, 8)])
