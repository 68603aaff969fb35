"""PaDiM's distances against NumPy, one location after the other in float64."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from torch import Tensor

import tests.model.tiny  # noqa: F401  (one thread)
from wsi_haloae.baselines.mahalanobis import LocationMahalanobis
from wsi_haloae.baselines.protocol import Baseline, FeatureBatches
from wsi_haloae.errors import UsageError

CHANNELS, HEIGHT, WIDTH = 9, 4, 5


def made(images: int, seed: int, offset: float = 1.0) -> Tensor:
    """Every location has a mean and correlations of its own."""
    fixed = torch.Generator().manual_seed(99)
    mean = offset * torch.randn(HEIGHT * WIDTH, 1, CHANNELS, generator=fixed)
    mixing = torch.randn(HEIGHT * WIDTH, CHANNELS, CHANNELS, generator=fixed)
    noise = torch.randn(HEIGHT * WIDTH, images, CHANNELS, generator=torch.Generator().manual_seed(seed))
    return (mean + noise @ mixing).permute(1, 2, 0).reshape(images, CHANNELS, HEIGHT, WIDTH)


def batches_of(features: Tensor, size: int) -> FeatureBatches:
    return lambda: iter(torch.split(features, size))


def slow_maps(train: Tensor, test: Tensor, channels: Tensor) -> np.ndarray:
    """Definition, in float64: sample covariance + 0.01 I, inverse, distance."""
    found = np.empty((len(test), HEIGHT, WIDTH))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            cells = train[:, channels, y, x].double().numpy()
            inverse = np.linalg.inv(np.cov(cells, rowvar=False, ddof=1) + 0.01 * np.eye(len(channels)))
            for image, cell in enumerate(test[:, channels, y, x].double().numpy()):
                found[image, y, x] = mahalanobis(cell, cells.mean(axis=0), inverse)
    return found


@pytest.mark.parametrize("images", [7, 40])  # fewer than channels: only the 0.01 makes it invertible
@pytest.mark.parametrize("size", [1, 16])
@pytest.mark.parametrize("dimensions", [4, 100])
def test_maps_equal_the_slow_reference(images: int, size: int, dimensions: int) -> None:
    train, test = made(images, 0), made(3, 1)
    fitted = LocationMahalanobis.fit(batches_of(train, size), dimensions)
    expected = slow_maps(train, test, fitted.channels)
    np.testing.assert_allclose(fitted.maps(test).numpy(), expected, rtol=2e-4)


def test_a_location_far_from_zero_keeps_its_covariance() -> None:
    train, test = made(40, 0, offset=300.0), made(3, 1, offset=300.0)
    fitted = LocationMahalanobis.fit(batches_of(train, 8))
    np.testing.assert_allclose(fitted.maps(test).numpy(), slow_maps(train, test, fitted.channels), rtol=1e-2)


def test_channels_are_drawn_once_each_by_the_seed() -> None:
    train = made(8, 0)
    one, same, other = (LocationMahalanobis.fit(batches_of(train, 4), 4, seed) for seed in (0, 0, 1))
    assert len(set(one.channels.tolist())) == 4
    assert torch.equal(one.channels, same.channels)
    assert torch.equal(one.factor, same.factor)
    assert not torch.equal(one.channels, other.channels)


def test_all_channels_are_taken_where_there_are_no_more() -> None:
    fitted = LocationMahalanobis.fit(batches_of(made(8, 0), 4))
    assert fitted.channels.tolist() == list(range(CHANNELS))
    assert fitted.factor.shape == (HEIGHT * WIDTH, CHANNELS, CHANNELS)


def test_the_same_cell_elsewhere_stands_out() -> None:
    train, test = made(60, 0, offset=20.0), made(2, 1, offset=20.0)
    fitted: Baseline = LocationMahalanobis.fit(batches_of(train, 16))
    test[1, :, 3, 1] = test[1, :, 0, 4]
    maps = fitted.maps(test)
    assert maps.shape == (2, HEIGHT, WIDTH)
    assert int(maps.argmax()) == (1 * HEIGHT + 3) * WIDTH + 1


@pytest.mark.parametrize("images", [0, 1])
def test_fewer_than_two_images_are_refused(images: int) -> None:
    with pytest.raises(UsageError, match="at least two"):
        LocationMahalanobis.fit(lambda: iter([made(1, 0)][:images]))


def test_no_channel_is_refused() -> None:
    with pytest.raises(UsageError, match="0 channels"):
        LocationMahalanobis.fit(batches_of(made(4, 0), 2), 0)


def test_batches_are_let_go() -> None:
    given: list[weakref.ref[Tensor]] = []

    def batches() -> Iterator[Tensor]:
        for seed in range(6):
            assert sum(one() is not None for one in given) <= 1  # the one that is being left
            features = made(2, seed)
            given.append(weakref.ref(features))
            yield features
            del features

    LocationMahalanobis.fit(batches)
    assert len(given) == 6
