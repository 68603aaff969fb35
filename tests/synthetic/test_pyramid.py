"""The pyramidal TIFF, as OpenSlide and tifffile read it."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.slide.readers import open_slide
from wsi_haloae.synthetic.pyramid import JPEG, LOSSLESS, Compression, write_pyramid

WIDTH, HEIGHT, TILE = 1100, 700, 64


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """Smooth enough for JPEG; filled up to whole tiles."""
    coarse = np.random.default_rng(0).integers(0, 256, (88, 144, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((1152, 704), Image.Resampling.BICUBIC))


def write(path: Path, picture: NDArray[np.uint8], compression: Compression) -> Path:
    def draw_row(row: int) -> list[NDArray[np.uint8]]:
        return np.split(picture[row * TILE : (row + 1) * TILE], picture.shape[1] // TILE, axis=1)

    write_pyramid(path, draw_row, width=WIDTH, height=HEIGHT, mpp=0.25, tile=TILE, compression=compression)
    return path


def test_without_loss_every_pixel_comes_back(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    slide = open_slide(write(tmp_path / "slide.tif", picture, LOSSLESS))
    assert slide.properties.level_dimensions == ((WIDTH, HEIGHT), (WIDTH // 4, HEIGHT // 4))
    assert slide.properties.known_mpp() == pytest.approx((0.25, 0.25), rel=1e-6)
    assert np.array_equal(slide.read_region(0, 0, 0, WIDTH, HEIGHT), picture[:HEIGHT, :WIDTH])
    reduced = np.asarray(Image.fromarray(picture).reduce(4))[: HEIGHT // 4, : WIDTH // 4]
    assert np.array_equal(slide.read_region(0, 0, 1, WIDTH // 4, HEIGHT // 4), reduced)


def test_jpeg_is_smaller_and_close(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    exact = write(tmp_path / "exact.tif", picture, LOSSLESS)
    lossy = write(tmp_path / "lossy.tif", picture, JPEG)
    assert lossy.stat().st_size < exact.stat().st_size / 2
    difference = open_slide(lossy).read_region(0, 0, 0, WIDTH, HEIGHT).astype(int) - picture[:HEIGHT, :WIDTH]
    assert 0 < np.abs(difference).mean() < 2


def test_a_large_slide_becomes_a_bigtiff(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    for pixels, is_big in ((WIDTH * HEIGHT, True), (WIDTH * HEIGHT + 1, False)):
        path = write(tmp_path / "slide.tif", picture, replace(LOSSLESS, big_tiff_pixels=pixels))
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff == is_big
        assert open_slide(path).properties.vendor == "generic-tiff"


@pytest.mark.parametrize("compression", [JPEG, LOSSLESS], ids=["jpeg", "lossless"])
def test_memory_is_a_few_rows_of_tiles_however_many_threads_compress(
    compression: Compression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tifffile.TIFF, "MAXWORKERS", 4)
    rows, tile = 80, 256
    tracemalloc.start()
    write_pyramid(
        tmp_path / "slide.tif",
        lambda row: [np.full((tile, tile, 3), row, np.uint8) for _ in range(2)],
        width=2 * tile,
        height=rows * tile,
        mpp=0.5,
        tile=tile,
        compression=compression,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # a row has 0.4 MB, the slide 31 MB
