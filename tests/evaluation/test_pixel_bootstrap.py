"""Pixel intervals against the same draws measured exactly, one by one."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.aupro import aupro
from wsi_haloae.evaluation.interval import Interval, draw_images
from wsi_haloae.evaluation.metrics import auroc, average_precision
from wsi_haloae.evaluation.pixel_bootstrap import PixelBootstrap

Case = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]


def blobs(images: int, side: int, *, share: float, signal: float, seed: int = 0) -> Case:
    """Maps, masks and labels: round defects in two of three images, smooth noise, brighter defects."""
    random = np.random.default_rng(seed)
    anomalous = np.arange(images) % 3 != 0
    defect = ndimage.gaussian_filter(random.normal(size=(images, side, side)), (0, side / 32, side / 32))
    masks = (defect > np.quantile(defect, 1 - share, axis=(1, 2), keepdims=True)) & anomalous[:, None, None]
    noise = ndimage.gaussian_filter(random.normal(size=masks.shape), (0, 2, 2))
    glow = ndimage.gaussian_filter(masks.astype(float), (0, 1.5, 1.5))
    level = 0.3 * random.normal(size=(images, 1, 1))
    return np.exp(noise / noise.std() + signal * glow + level).astype(np.float32), masks, anomalous


def exact(maps: NDArray[np.float32], masks: NDArray[np.bool_], counts: NDArray[np.int64]) -> list[float]:
    """The three measures of one draw, whose images are put side by side."""
    drawn = np.repeat(np.arange(len(maps)), counts)
    maps, masks = maps[drawn], masks[drawn]
    pixels = maps.ravel(), masks.ravel()
    return [auroc(*pixels), average_precision(*pixels), aupro(maps, masks)]


@pytest.fixture(scope="module")
def small() -> Case:
    """Fewer than 2048 pixels of each class: bins change nothing."""
    return blobs(9, 14, share=0.1, signal=2)


@pytest.mark.parametrize("ties", [False, True])
def test_on_few_pixels_the_intervals_are_those_of_exact_draws(small: Case, ties: bool) -> None:
    maps, masks, anomalous = small
    maps = np.round(maps) if ties else maps
    values = np.array([exact(maps, masks, c) for c in draw_images(anomalous, seed=5, draws=101)])
    found = PixelBootstrap(masks, anomalous, seed=5, draws=101).intervals(maps)
    np.testing.assert_allclose(np.transpose(astuple(found)), np.percentile(values, [2.5, 97.5], axis=0), rtol=1e-10)


def test_on_few_pixels_the_comparison_is_that_of_exact_paired_draws(small: Case) -> None:
    maps, masks, anomalous = small
    other = (maps + 2 * np.random.default_rng(0).random(maps.shape)).astype(np.float32)
    draws = draw_images(anomalous, seed=6, draws=101)
    values = np.array([np.subtract(exact(maps, masks, c), exact(other, masks, c)) for c in draws])
    found = PixelBootstrap(masks, anomalous, seed=6, draws=101).compare(maps, other)
    for column, difference in zip(values.T, (found.auroc, found.average_precision, found.aupro), strict=True):
        limits = difference.interval.low, difference.interval.high
        np.testing.assert_allclose(limits, np.percentile(column, [2.5, 97.5]), rtol=1e-8, atol=1e-10)
        assert difference.ours_higher == (column > 0).mean()
    assert 0 < found.aupro.ours_higher < 1


@pytest.mark.parametrize(
    ("share", "signal", "step"),
    [(0.05, 2.0, 0.0), (0.002, 5.0, 0.0), (0.0005, 3.0, 0.0), (0.1, 0.3, 0.0), (0.05, 10.0, 0.0), (0.05, 2.0, 0.05)],
)
def test_on_many_pixels_bins_come_within_a_thousandth(share: float, signal: float, step: float) -> None:
    maps, masks, anomalous = blobs(15, 256, share=share, signal=signal)
    if step:
        maps = np.round(maps / step) * np.float32(step)
    found = PixelBootstrap(masks, anomalous, seed=7, draws=1).intervals(maps)
    drawn = exact(maps, masks, draw_images(anomalous, seed=7, draws=1)[0])
    np.testing.assert_allclose(np.transpose(astuple(found)), [drawn, drawn], rtol=0, atol=1e-3)


def test_a_frequent_score_does_not_bend_the_curve_of_its_neighbours() -> None:
    # Nine tenths of the pixels outside have one score. Forty defects of one pixel lie just above it,
    # too few beside one large defect for a border between bins of their own.
    masks = np.zeros((2, 600, 600), bool)
    masks[0, 10:210:20, 10:90:20] = True
    small = masks.copy()
    masks[0, 230:590, 5:595] = True
    random = np.random.default_rng(0)
    maps = random.random(masks.shape, np.float32) + masks
    maps[maps < 0.9] = 0.1
    maps[small] = 0.2
    maps[0, 400, 400] = 0.0  # in the large defect, for the lowest score of a class is a border
    found = PixelBootstrap(masks, np.array([True, False]), draws=1).intervals(maps)
    assert found.aupro.low == pytest.approx(aupro(maps, masks, 0.3), abs=1e-3)


def test_one_image_of_each_class_leaves_nothing_to_draw() -> None:
    maps, masks, anomalous = blobs(2, 14, share=0.1, signal=2)
    found = PixelBootstrap(masks, anomalous, draws=20).intervals(maps)
    expected = exact(maps, masks, np.array([1, 1]))
    np.testing.assert_allclose(np.transpose(astuple(found)), [expected, expected])


def test_equal_order_of_pixels_is_no_difference(small: Case) -> None:
    maps, masks, anomalous = small
    found = PixelBootstrap(masks, anomalous, draws=50).compare(maps, 2 * maps + 1)
    for difference in (found.auroc, found.average_precision, found.aupro):
        assert difference.interval == Interval(0.0, 0.0)
        assert difference.ours_higher == 0.0


def test_upside_down_maps_are_not_flipped(small: Case) -> None:
    _, masks, anomalous = small
    bootstrap = PixelBootstrap(masks, anomalous, draws=50)
    assert bootstrap.intervals(masks.astype(np.float32)).auroc == Interval(1.0, 1.0)
    assert bootstrap.intervals(-masks.astype(np.float32)).auroc == Interval(0.0, 0.0)
    found = bootstrap.compare(masks.astype(np.float32), -masks.astype(np.float32))
    assert found.aupro.ours_higher == found.auroc.ours_higher == found.average_precision.ours_higher == 1.0
    assert found.auroc.interval == Interval(1.0, 1.0)


def test_a_seed_gives_the_same_intervals_and_another_seed_others(small: Case) -> None:
    maps, masks, anomalous = small
    found = [PixelBootstrap(masks, anomalous, seed=seed, draws=60).intervals(maps) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_anomalous_images_alone_can_be_measured(small: Case) -> None:
    maps, masks, anomalous = small
    found = PixelBootstrap(masks[anomalous], anomalous[anomalous], draws=60).intervals(maps[anomalous])
    assert 0.5 < found.auroc.low < found.auroc.high < 1


def test_draws_without_a_defect_pixel_are_refused() -> None:
    masks = np.zeros((4, 5, 5), bool)
    masks[0, 2, 2] = True
    with pytest.raises(UsageError, match=r"of 100 draws of images have no defect pixel"):
        PixelBootstrap(masks, np.array([True, True, False, False]), draws=100)


def test_draws_of_nothing_but_defects_are_refused() -> None:
    with pytest.raises(UsageError, match="50 of 50 draws of images have no pixel outside defects"):
        PixelBootstrap(np.ones((2, 5, 5), bool), np.array([True, True]), draws=50)


def test_labels_that_do_not_fit_the_masks_are_refused(small: Case) -> None:
    _, masks, anomalous = small
    with pytest.raises(UsageError, match="reference image has a defect"):
        PixelBootstrap(masks, ~anomalous)
    with pytest.raises(UsageError, match=r"masks are \(9, 14, 14\), labels \(8,\)"):
        PixelBootstrap(masks, anomalous[1:])


def test_maps_that_do_not_fit_the_masks_are_refused(small: Case) -> None:
    maps, masks, anomalous = small
    bootstrap = PixelBootstrap(masks, anomalous, draws=5)
    with pytest.raises(UsageError, match=r"scores are \(8, 14, 14\) and labels \(9, 14, 14\)"):
        bootstrap.intervals(maps[1:])
    broken = maps.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(UsageError, match="finite score for each pixel"):
        bootstrap.compare(maps, broken)
