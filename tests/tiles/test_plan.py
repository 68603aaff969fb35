"""From a target pixel size to pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wsi_haloae.errors import MissingMppError, RegionReadError, ResolutionError
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.tiles.plan import ReadPlan

PYRAMID = SlideProperties(
    name="slide.svs",
    vendor="test",
    level_dimensions=((40_000, 30_000), (10_000, 7500), (2500, 1875)),
    level_downsamples=(1.0, 4.0, 16.0),
    mpp_x=0.25,
    mpp_y=0.25,
    objective_power=None,
    bounds=None,
    background=(255, 255, 255),
    fingerprint="f",
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (0.5, ReadPlan(0, 2.0, 2.0, 2.0, 2.0, 0.5, 0.5)),
        (1.01, ReadPlan(1, 1.0, 1.0, 4.0, 4.0, 1.0, 1.0)),
        (0.99, ReadPlan(1, 1.0, 1.0, 4.0, 4.0, 1.0, 1.0)),
        (2.0, ReadPlan(1, 2.0, 2.0, 8.0, 8.0, 2.0, 2.0)),
        (8.0, ReadPlan(2, 2.0, 2.0, 32.0, 32.0, 8.0, 8.0)),
        (0.2549, ReadPlan(0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25)),
        (0.25, ReadPlan(0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25)),
        (0.256, ReadPlan(0, 1.024, 1.024, 1.024, 1.024, 0.256, 0.256)),
        (None, ReadPlan(0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25)),
    ],
)
def test_the_worked_examples(target: float | None, expected: ReadPlan) -> None:
    plan = ReadPlan.for_slide(PYRAMID, target)
    assert plan.level == expected.level
    for name in ("scale_x", "scale_y", "l0_scale_x", "l0_scale_y", "mpp_x", "mpp_y"):
        assert getattr(plan, name) == pytest.approx(getattr(expected, name), rel=1e-9), name


@pytest.mark.parametrize("target", [0.2, 0.245])
def test_a_slide_coarser_than_the_target_is_refused(target: float) -> None:
    with pytest.raises(ResolutionError, match=f"(?s)slide.svs.*0.25 .*{target}.*never scaled up"):
        ReadPlan.for_slide(PYRAMID, target)


def test_one_coarse_axis_is_enough_to_be_refused() -> None:
    with pytest.raises(ResolutionError):
        ReadPlan.for_slide(replace(PYRAMID, mpp_y=0.6), 0.5)


def test_axes_are_scaled_apart() -> None:
    plan = ReadPlan.for_slide(replace(PYRAMID, mpp_x=0.2, mpp_y=0.25), 2.0)
    assert (plan.level, plan.scale_x, plan.scale_y) == (1, pytest.approx(2.5), 2.0)
    assert (plan.l0_scale_x, plan.l0_scale_y) == (10.0, 8.0)
    assert (plan.mpp_x, plan.mpp_y) == (2.0, 2.0)


def test_a_level_is_native_only_if_both_axes_are_near() -> None:
    plan = ReadPlan.for_slide(replace(PYRAMID, mpp_x=0.25, mpp_y=0.24), 1.0)
    assert (plan.level, plan.scale_x) == (1, 1.0)
    assert plan.scale_y == pytest.approx(1 / 0.96)


@pytest.mark.parametrize("target", [0.5, None])
@pytest.mark.parametrize("axis", ["mpp_x", "mpp_y"])
def test_a_slide_without_a_pixel_size_is_refused(axis: str, target: float | None) -> None:
    with pytest.raises(MissingMppError, match="--mpp"):
        ReadPlan.for_slide(replace(PYRAMID, **{axis: None}), target)


@given(st.floats(0.1, 1.0), st.floats(0.1, 1.0), st.floats(0.1, 40))
def test_a_plan_reads_the_coarsest_level_that_is_fine_enough(mpp_x: float, mpp_y: float, target: float) -> None:
    properties = replace(PYRAMID, mpp_x=mpp_x, mpp_y=mpp_y)
    if max(mpp_x, mpp_y) > target * 1.02:
        with pytest.raises(ResolutionError):
            ReadPlan.for_slide(properties, target)
        return
    plan = ReadPlan.for_slide(properties, target)
    downsample = properties.level_downsamples[plan.level]
    for mpp, true, scale, l0_scale in (
        (mpp_x, plan.mpp_x, plan.scale_x, plan.l0_scale_x),
        (mpp_y, plan.mpp_y, plan.scale_y, plan.l0_scale_y),
    ):
        assert abs(true / target - 1) <= 0.0200001
        assert l0_scale * mpp == pytest.approx(true)
        assert scale * downsample == pytest.approx(l0_scale)
        assert scale >= 1 / 1.0200001, "nothing is scaled up"
    if plan.level < 2:
        coarser = properties.level_downsamples[plan.level + 1]
        assert max(mpp_x, mpp_y) * coarser > target


def noise(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_native_tile_is_the_slides_own_pixels() -> None:
    slide = MemorySlide(noise())
    tile = ReadPlan.for_slide(slide.properties, 0.5).read(slide, 10, 20, 16)
    np.testing.assert_array_equal(tile, noise()[20:36, 10:26])


def test_a_tile_over_the_edge_is_padded_with_the_background() -> None:
    slide = MemorySlide(noise(), background=(1, 2, 3))
    tile = ReadPlan.for_slide(slide.properties, 0.5).read(slide, 72, 50, 16)
    np.testing.assert_array_equal(tile[:10, :8], noise()[50:, 72:])
    assert (tile[10:] == (1, 2, 3)).all()
    assert (tile[:, 8:] == (1, 2, 3)).all()


def test_a_resized_tile_over_the_edge_is_padded_with_the_background() -> None:
    slide = MemorySlide(np.full((60, 80, 3), 50, np.uint8), mpp=(0.25, 0.25), background=(201, 202, 203))
    tile = ReadPlan.for_slide(slide.properties, 0.5).read(slide, 64, 0, 16)
    assert (tile[:, :6] == 50).all()
    assert (tile[:, 10:] == (201, 202, 203)).all()


def test_a_coarser_level_is_read_at_its_own_pixels() -> None:
    slide = MemorySlide(noise(), mpp=(0.25, 0.25), downsamples=(4,))
    tile = ReadPlan.for_slide(slide.properties, 1.0).read(slide, 16, 8, 6)
    np.testing.assert_array_equal(tile, slide.read_region(16, 8, 1, 6, 6))


def test_shrinking_averages_away_what_is_finer_than_a_pixel() -> None:
    checks = np.indices((96, 96)).sum(axis=0) % 2 * 255
    slide = MemorySlide(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8), mpp=(0.25, 0.25))
    tile = ReadPlan.for_slide(slide.properties, 0.75).read(slide, 0, 0, 32)
    assert np.abs(tile[2:-2, 2:-2].astype(float) - 127.5).max() < 12, "aliased, it would be black and white"


def test_fractions_of_a_pixel_are_kept_in_the_size() -> None:
    """16 pixels at 1.3 cover 20.8 of the slide's: a ramp shows its centres at 1.3 (i + 1/2) - 1/2."""
    ramp = np.repeat(np.repeat(np.arange(80)[None, :, None] * 2, 60, axis=0), 3, axis=2).astype(np.uint8)
    slide = MemorySlide(ramp, mpp=(0.5, 0.5))
    tile = ReadPlan.for_slide(slide.properties, 0.65).read(slide, 10, 0, 16)
    expected = 2 * (10 + 1.3 * (np.arange(16) + 0.5) - 0.5)
    assert np.abs(tile[8, 2:-2, 0] - expected[2:-2]).max() < 0.6


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.floats(1.0, 3.0), st.floats(1.0, 3.0), st.integers(-20, 90), st.integers(-20, 70))
def test_any_tile_has_the_size_asked_for_and_equals_pillow(size: int, fx: float, fy: float, x: int, y: int) -> None:
    slide = MemorySlide(noise(), mpp=(0.5 / fx, 0.5 / fy))
    plan = ReadPlan.for_slide(slide.properties, 0.5)
    tile = plan.read(slide, x, y, size)
    assert tile.shape == (size, size, 3)
    across, down = size * plan.scale_x, size * plan.scale_y
    region = slide.read_region(x, y, 0, math.ceil(across), math.ceil(down))
    expected = Image.fromarray(region).resize((size, size), Image.Resampling.BICUBIC, box=(0, 0, across, down))
    np.testing.assert_array_equal(tile, np.asarray(expected))


def test_what_cannot_be_read_is_told() -> None:
    slide = MemorySlide(noise(), unreadable=[(30, 30, 2, 2)])
    plan = ReadPlan.for_slide(slide.properties, 0.5)
    plan.read(slide, 0, 0, 16)
    with pytest.raises(RegionReadError):
        plan.read(slide, 20, 20, 16)
