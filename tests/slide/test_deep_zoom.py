"""DeepZoom: openslide's own Deep Zoom is the reference."""

from __future__ import annotations

import numpy as np
import openslide
import pytest
from openslide.deepzoom import DeepZoomGenerator

from tests.data_paths import real_data
from wsi_haloae.slide.deep_zoom import LARGEST_REGION, OVERLAP, TILE_SIZE, DeepZoom
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.readers import open_slide


class Tolerant(openslide.OpenSlide):
    """Takes a level of downsample 4.0003 for 4, as we do; by itself OpenSlide reads sixteen times the pixels."""

    def get_best_level_for_downsample(self, downsample: float) -> int:
        return super().get_best_level_for_downsample(1.02 * downsample)


@pytest.mark.parametrize(
    "name", ["wsi/cmu-1-small-region.svs", "wsi/hpylori_IHC_pathologyatlas.tiff", "wsi/tcga-cr-7395-01a-01-ts1.svs"]
)
def test_tiles_are_those_of_openslide(name: str) -> None:
    slide = open_slide(real_data(name))
    ours = DeepZoom(slide.properties.level_dimensions, slide.properties.level_downsamples)
    with Tolerant(real_data(name)) as handle:
        theirs = DeepZoomGenerator(handle, TILE_SIZE, OVERLAP)
        assert ours.levels == theirs.level_count
        compared = 0
        for level in range(ours.levels - 4, ours.levels):
            assert ours.dimensions(level) == theirs.level_dimensions[level]
            columns, rows = theirs.level_tiles[level]
            for column, row in {(0, 0), (columns - 1, rows - 1), (columns // 2, rows // 2)}:
                assert ours.has(level, column, row)
                expected = np.asarray(theirs.get_tile(level, (column, row)).convert("RGB")).astype(int)
                found = ours.read(slide, level, column, row)
                assert found.shape[:2] == ours.size(level, column, row)[::-1]
                # Where the last tile ends in the middle of a pixel, theirs is sometimes a pixel short.
                if found.shape == expected.shape and min(found.shape[:2]) > 100:
                    assert np.abs(found.astype(int) - expected).mean() < 1, (level, column, row)
                    compared += 1
            for column, row in ((columns, 0), (0, rows), (-1, 0), (0, -1)):
                assert not ours.has(level, column, row)
    slide.close()
    assert compared >= 6
    assert not ours.has(ours.levels, 0, 0)
    assert not ours.has(-1, 0, 0)


def test_a_tile_cut_from_a_small_picture_shows_the_same_place() -> None:
    y, x = np.mgrid[:900, :1300]
    pixels = np.stack([x // 6, y // 4, np.full_like(x, 30)], axis=-1).astype(np.uint8)
    slide = MemorySlide(pixels, downsamples=(4,))
    zoom = DeepZoom(slide.properties.level_dimensions, slide.properties.level_downsamples)
    small = slide.read_region(0, 0, 1, 325, 225)
    for level in range(5, zoom.levels):
        for column in range(20):
            for row in range(20):
                if zoom.has(level, column, row):
                    read, cut = (
                        tile.astype(int)
                        for tile in (zoom.read(slide, level, column, row), zoom.cut(small, level, column, row))
                    )
                    assert read.shape == cut.shape
                    assert np.abs(read - cut).mean() < 3, (level, column, row)


def test_transparent_pixels_and_the_outside_are_background() -> None:
    slide = MemorySlide(np.zeros((600, 600, 3), np.uint8), background=(10, 200, 30))
    zoom = DeepZoom(((700, 700),), (1.0,))
    tile = zoom.read(slide, zoom.levels - 1, 1, 1)
    assert tuple(tile[-1, -1]) == (10, 200, 30)


def test_a_level_a_hair_coarser_than_a_power_of_two_is_used() -> None:
    zoom = DeepZoom(((4000, 4000), (999, 999)), (1.0, 4.0004))
    assert not zoom.too_large(zoom.levels - 3, 0, 0)
    assert DeepZoom(((100_000, 100_000), (25_000, 25_000)), (1.0, 4.0004)).too_large(8, 0, 0)


def test_without_a_pyramid_the_upper_levels_are_too_large_to_read() -> None:
    zoom = DeepZoom(((70_000, 70_000),), (1.0,))
    too_large = [zoom.too_large(level, 0, 0) for level in range(zoom.levels)]
    assert too_large == sorted(too_large, reverse=True)
    assert not too_large[-1]
    assert sum(too_large) == zoom.levels - 4  # 512 x 8 is 4,096 pixels wide
    assert LARGEST_REGION * 4 < 100 << 20
