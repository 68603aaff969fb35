"""MemorySlide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.slide.conformance import SlideConformance
from wsi_haloae.errors import MissingMppError, RegionReadError
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.properties import Slide


class TestConformance(SlideConformance):
    @pytest.fixture
    def opener(self) -> Callable[[], Slide]:
        pixels = np.random.default_rng(0).integers(0, 256, (130, 201, 3), dtype=np.uint8)
        return lambda: MemorySlide(pixels, downsamples=(2, 8), background=(240, 241, 242))


def test_levels_are_averages_of_areas() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    slide = MemorySlide(pixels, downsamples=(2,))
    expected = pixels.reshape(2, 2, 3, 2, 3).mean(axis=(1, 3))
    assert np.abs(slide.read_region(0, 0, 1, 3, 2) - expected).max() <= 0.5


def test_only_reads_that_touch_an_unreadable_rectangle_fail() -> None:
    slide = MemorySlide(np.zeros((64, 64, 3), np.uint8), downsamples=(4,), unreadable=[(16, 16, 16, 16)])
    slide.read_region(0, 0, 0, 16, 64)
    slide.read_region(32, 0, 1, 8, 16)
    with pytest.raises(RegionReadError, match=r"\(8, 8\)"):
        slide.read_region(8, 8, 0, 9, 9)
    with pytest.raises(RegionReadError):
        slide.read_region(0, 0, 1, 16, 16)


def test_no_mpp_is_told_when_it_is_needed() -> None:
    with pytest.raises(MissingMppError, match="--mpp"):
        MemorySlide(np.zeros((64, 64, 3), np.uint8), mpp=None).properties.known_mpp()
