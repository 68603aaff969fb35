"""Augmentation and Cut&Paste."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsi_haloae.training.augmentation import flip_and_turn, jitter_colour
from wsi_haloae.training.cutpaste import paste_patch, paste_scar

SIDE = 96


def noise(seed: int = 0, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def boxes(changed: np.ndarray) -> tuple[int, int]:
    """Height and width of the rectangle around what is set."""
    rows, columns = np.nonzero(changed)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_flips_and_turns_are_the_eight_symmetries_of_the_square() -> None:
    image = noise(side=5)
    expected = {np.rot90(m, k).tobytes() for m in (image, image[:, ::-1]) for k in range(4)}
    found = {flip_and_turn(image, np.random.default_rng(seed)).tobytes() for seed in range(100)}
    assert len(expected) == 8
    assert found == expected


def test_jitter_of_no_strength_changes_nothing() -> None:
    np.testing.assert_array_equal(jitter_colour(noise(), 0.0, np.random.default_rng(0)), noise())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 200), st.floats(0.01, 0.2))
def test_jitter_of_a_grey_image_is_a_change_of_brightness_within_its_bounds(
    seed: int, grey: int, strength: float
) -> None:
    image = np.full((6, 6, 3), grey, np.uint8)
    found = jitter_colour(image, strength, np.random.default_rng(seed)).astype(float)
    assert np.ptp(found) == 0, "contrast and saturation of grey change nothing"
    factor = 1 + np.random.default_rng(seed).uniform(-strength, strength, size=3)[0]
    assert abs(found[0, 0, 0] - grey * factor) <= 2


def test_jitter_changes_contrast_and_saturation_by_up_to_its_strength() -> None:
    image = noise()
    means, deviations, colourfulness = [], [], []
    for seed in range(60):
        found = jitter_colour(image, 0.1, np.random.default_rng(seed)).astype(float)
        means.append(found.mean() / image.mean())
        deviations.append(found.mean(axis=2).std() / image.mean(axis=2).std())
        colourfulness.append(
            (found.max(axis=2) - found.min(axis=2)).mean() / np.ptp(image.astype(float), axis=2).mean()
        )
    for ratios, bound in ((means, 0.11), (deviations, 0.22), (colourfulness, 0.34)):
        assert max(abs(ratio - 1) for ratio in ratios) < bound
        assert min(ratios) < 1 < max(ratios)
    assert len({round(m, 6) for m in means}) > 50


@pytest.mark.parametrize("paste", [paste_patch, paste_scar])
def test_damage_depends_on_the_generator_alone_and_leaves_its_input_as_it_was(paste: object) -> None:
    image = noise()
    first, again, other = (paste(image, np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(image, noise())
    assert first.shape == image.shape
    assert first.dtype == np.uint8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([48, 96]))
def test_a_patch_is_a_rectangle_of_the_specified_area_and_aspect(seed: int, side: int) -> None:
    image = noise(side=side)
    changed = (paste_patch(image, np.random.default_rng(seed)) != image).any(axis=2)
    height, width = boxes(changed)
    inside = changed[np.ix_(changed.any(axis=1), changed.any(axis=0))]
    assert inside.mean() > 0.8, "one solid rectangle"
    assert 0.015 < height * width / side**2 < 0.165
    assert 0.25 < width / height < 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([48, 96]))
def test_a_scar_is_a_thin_strip(seed: int, side: int) -> None:
    image = noise(side=side)
    changed = (paste_scar(image, np.random.default_rng(seed)) != image).any(axis=2)
    assert changed.any()
    height, width = boxes(changed)
    assert np.hypot(height, width) <= 2**0.5 * (16 + 25 + 4)
    assert changed.sum() <= (16 + 2) * (25 + 2)


def test_patches_and_scars_use_their_whole_ranges_and_the_whole_image() -> None:
    image, areas, scars = noise(), [], []
    touched = np.zeros((SIDE, SIDE), bool)
    for seed in range(250):
        patch = (paste_patch(image, np.random.default_rng(seed)) != image).any(axis=2)
        height, width = boxes(patch)
        areas.append(height * width / SIDE**2)
        scars.append(int((paste_scar(image, np.random.default_rng(seed)) != image).any(axis=2).sum()))
        touched |= patch
    assert min(areas) < 0.03
    assert max(areas) > 0.13
    assert min(scars) < 60
    assert max(scars) > 300
    assert touched.mean() > 0.9
    assert all(edge.any() for edge in (touched[0], touched[-1], touched[:, 0], touched[:, -1]))


def test_scars_are_turned_by_up_to_45_degrees_to_either_side() -> None:
    image, slants = noise(), []
    for seed in range(150):
        rows, columns = np.nonzero((paste_scar(image, np.random.default_rng(seed)) != image).any(axis=2))
        if np.ptp(columns) + 1 <= 10 < np.ptp(rows):  # a narrow one shows its slant
            slants.append(np.degrees(np.arctan(np.polyfit(rows, columns, 1)[0])))
    assert min(slants) < -10
    assert max(slants) > 10
    assert np.abs(slants).max() < 50


def test_what_is_pasted_comes_from_the_image_itself_slightly_recoloured() -> None:
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    image[:, SIDE // 2 :] = 180
    for paste in (paste_patch, paste_scar):
        values = np.concatenate([np.unique(paste(image, np.random.default_rng(seed))) for seed in range(40)])
        assert values.min() >= 100 * 0.9 * 0.9 - 3
        assert values.max() <= 180 * 1.1 * 1.1 + 3
        assert set(values.tolist()) - {100, 180}
