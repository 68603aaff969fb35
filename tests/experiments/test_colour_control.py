"""Tiles of matched brightness, contrast and colour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data_paths import real_data
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.evaluation.tile_statistics import COLOUR, STATISTICS, statistic_scores, tile_statistics
from wsi_haloae.experiments.colour_control import (
    ColourTargets,
    cut_share,
    grey,
    match_colour,
    match_grey,
    matching_curve,
)

SEEDS = st.integers(0, 10_000)


def tile(seed: int = 0, side: int = 32) -> np.ndarray:
    """Channels of different means, deviations and skewness; some reach black or white."""
    random = np.random.default_rng(seed)
    shapes = random.uniform(0.6, 6, (3, 2))
    channels = [random.beta(a, b, (side, side)) for a, b in shapes]
    return np.rint(255 * np.stack(channels, axis=2)).astype(np.uint8)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.floats(90, 170), st.floats(5, 50))
def test_a_channel_has_the_mean_and_deviation_asked_for_before_rounding(seed: int, mean: float, dev: float) -> None:
    levels = tile(seed)[..., 0]
    found = matching_curve(levels, mean, dev)[levels]
    assert found.mean() == pytest.approx(mean, abs=2e-4)
    assert found.std() == pytest.approx(dev, abs=2e-4)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.floats(20, 235), st.floats(1, 120))
def test_brighter_pixels_never_become_darker_and_levels_stay_levels(seed: int, mean: float, dev: float) -> None:
    curve = matching_curve(tile(seed)[..., 1], mean, dev)
    assert (np.diff(curve) >= 0).all()
    assert curve[0] >= 0
    assert curve[-1] <= 255


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.floats(90, 170), st.floats(10, 50))
def test_a_curve_that_cuts_nothing_is_the_textbook_line(seed: int, mean: float, dev: float) -> None:
    levels = tile(seed)[..., 2]
    expected = (levels - levels.mean()) * (dev / levels.std()) + mean
    assume(expected.min() > 0.01)
    assume(expected.max() < 254.99)
    np.testing.assert_allclose(matching_curve(levels, mean, dev)[levels], expected, atol=0.02)
    assert cut_share(levels, mean, dev) == 0


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_rounded_tiles_are_within_a_fraction_of_a_grey_level(seed: int) -> None:
    means, devs = np.array([150.0, 100.0, 180.0]), np.array([30.0, 45.0, 20.0])
    found = match_colour(tile(seed), means, devs)
    assert found.dtype == np.uint8
    assert np.abs(found.mean(axis=(0, 1)) - means).max() < 0.1
    assert np.abs(found.std(axis=(0, 1)) - devs).max() < 0.1


def test_levels_are_rounded_up_or_down_and_the_same_way_every_time() -> None:
    image = tile()
    first, again = (match_grey(image, 140, 40)[..., 0] for _ in range(2))
    exact = matching_curve(grey(image), 140, 40)[grey(image)]
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - exact).max() < 1
    assert min((first > exact).mean(), (first < exact).mean()) > 0.3


def test_greyscale_is_three_equal_channels_in_the_weights_of_rec_601() -> None:
    image = tile()
    assert np.abs(grey(image) - image @ np.array([0.299, 0.587, 0.114])).max() <= 1
    found = match_grey(image, 140, 40)
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    assert np.ptp(found, axis=2).max() == 0
    assert abs(found.mean() - 140) < 0.1
    assert abs(found.std() - 40) < 0.1


def test_a_constant_tile_becomes_the_mean() -> None:
    constant = np.full((8, 8, 3), (200, 10, 90), np.uint8)
    assert (match_grey(constant, 150.4, 40) == 150).all()
    assert (match_colour(constant, (150.4, 99.6, 3), (40, 50, 60)) == (150, 100, 3)).all()


def test_a_single_speck_cannot_reach_the_deviation_and_stays_a_speck() -> None:
    levels = np.full((64, 64), 230, np.uint8)
    levels[3, 4] = 229
    found = matching_curve(levels, 150, 40)[levels]
    assert np.isfinite(found).all()
    assert found.std() < 40
    assert found[3, 4] == 0
    assert abs(np.median(found) - 150) < 1


def test_the_share_that_is_cut_is_counted() -> None:
    levels = np.repeat(np.array([0, 100, 200], np.uint8), [10, 80, 10])[np.newaxis]
    assert cut_share(levels, 128, 10) == 0
    assert cut_share(levels, 128, 54) == 0, "the line ends within the range"
    assert cut_share(levels, 128, 56.9) == pytest.approx(0.1), "white is cut first"


def test_targets_are_the_average_tiles_statistics() -> None:
    tiles = [tile(seed) for seed in range(3)]
    found = ColourTargets.measure(iter(tiles))
    assert found.grey_mean == pytest.approx(np.mean([grey(one).mean() for one in tiles]))
    assert found.grey_deviation == pytest.approx(np.mean([grey(one).std() for one in tiles]))
    np.testing.assert_allclose(found.means, np.mean(tiles, axis=(0, 1, 2)))
    np.testing.assert_allclose(found.deviations, np.mean([one.std(axis=(0, 1)) for one in tiles], axis=0))


def test_targets_need_a_tile() -> None:
    with pytest.raises(UsageError, match="at least one"):
        ColourTargets.measure([])


def lung(folder: str, every: int = 1) -> list[np.ndarray]:
    paths = sorted(real_data(f"tiles/lc25000_lung/{folder}").glob("*"))[::every]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def figures(change: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, float]:
    """AUROC of the six statistics of colour, each as it is and as a distance from the target; of skewness."""
    reference, *tested = lung("train/tumour", 8), lung("test/tumour"), lung("test/normal")
    train, reference_test, anomalous_test = (
        np.array([tile_statistics(change(one)) for one in tiles]) for tiles in (reference, *tested)
    )
    values = np.vstack([reference_test, anomalous_test])
    anomalous = np.arange(len(values)) >= len(reference_test)
    distances = statistic_scores(train, values)
    colour = [*values[:, COLOUR].T, *(distances[name] for name in STATISTICS[COLOUR])]
    return np.array([auroc(column, anomalous) for column in colour]), auroc(distances["skewness"], anomalous)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_on_matched_lung_tiles_colour_tells_nothing_and_the_shape_of_the_histogram_does(kind: str) -> None:
    targets = ColourTargets.measure(lung("train/tumour", 8))
    change = {
        "grey": lambda one: match_grey(one, targets.grey_mean, targets.grey_deviation),
        "colour": lambda one: match_colour(one, targets.means, targets.deviations),
    }[kind]
    colour, skewness = figures(change)
    assert np.abs(colour - 0.5).max() < 0.1
    assert skewness > 0.9, "texture is left, as the pilot found"


@pytest.mark.slow
def test_on_unmatched_lung_tiles_colour_decides() -> None:
    colour, _ = figures(lambda one: one)
    assert colour.max() > 0.99
