"""What every `Slide` must do. A test class inherits `SlideConformance` and names its slide.

The slide has at least one level, is at least 64 x 64, and every part of it can be decoded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wsi_haloae.slide.properties import Slide


class SlideConformance:
    """Inherit, and override the fixture ``opener``: it opens the same slide at every call."""

    @pytest.fixture
    def opener(self) -> Callable[[], Slide]:
        raise NotImplementedError

    def test_properties_agree_with_each_other(self, opener: Callable[[], Slide]) -> None:
        properties = opener().properties
        assert properties.name and properties.vendor
        assert len(properties.level_dimensions) == len(properties.level_downsamples) >= 1
        assert properties.level_downsamples[0] == 1.0
        assert list(properties.level_downsamples) == sorted(properties.level_downsamples)
        for (width, height), downsample in zip(properties.level_dimensions, properties.level_downsamples, strict=True):
            assert abs(width * downsample - properties.width) <= 2 * downsample
            assert abs(height * downsample - properties.height) <= 2 * downsample

    def test_the_fingerprint_is_the_same_each_time(self, opener: Callable[[], Slide]) -> None:
        first, second = opener().properties, opener().properties
        assert first == second
        assert len(first.fingerprint) == 64

    def test_a_region_has_the_size_asked_for_at_every_level(self, opener: Callable[[], Slide]) -> None:
        slide = opener()
        for level in range(len(slide.properties.level_dimensions)):
            region = slide.read_region(0, 0, level, 37, 21)
            assert region.shape == (21, 37, 3)
            assert region.dtype == np.uint8

    def test_regions_of_level_0_fit_together(self, opener: Callable[[], Slide]) -> None:
        slide = opener()
        whole = slide.read_region(8, 8, 0, 48, 48)
        assert np.array_equal(whole[16:, 32:], slide.read_region(40, 24, 0, 16, 32))

    def test_outside_the_slide_is_background(self, opener: Callable[[], Slide]) -> None:
        slide = opener()
        properties = slide.properties
        beyond = slide.read_region(properties.width + 10, properties.height + 10, 0, 8, 8)
        assert (beyond == properties.background).all()
        corner = slide.read_region(-16, -16, 0, 32, 32)
        assert (corner[:16] == properties.background).all()
        assert (corner[:, :16] == properties.background).all()
        assert np.array_equal(corner[16:, 16:], slide.read_region(0, 0, 0, 16, 16))

    def test_a_region_may_be_written_to(self, opener: Callable[[], Slide]) -> None:
        slide = opener()
        before = slide.read_region(0, 0, 0, 8, 8).copy()
        slide.read_region(0, 0, 0, 8, 8)[:] = 7
        assert np.array_equal(slide.read_region(0, 0, 0, 8, 8), before)

    def test_reading_a_closed_slide_is_an_error(self, opener: Callable[[], Slide]) -> None:
        slide = opener()
        slide.close()
        slide.close()
        with pytest.raises(ValueError, match="closed"):
            slide.read_region(0, 0, 0, 8, 8)
