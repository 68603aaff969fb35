"""PCA against scikit-learn on all cells at once."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

import tests.model.tiny  # noqa: F401  (one thread)
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.baselines.protocol import Baseline, FeatureBatches
from wsi_haloae.errors import UsageError
from wsi_haloae.model.anomaly_map import residual_map

CHANNELS, SIDE = 12, 5


def made(images: int, seed: int, offset: float = 3.0) -> Tensor:
    """Channels that differ in spread, mix, and lie off zero: components that are not the channels."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(CHANNELS, CHANNELS, generator=torch.Generator().manual_seed(99))
    sources = torch.randn(images, SIDE * SIDE, CHANNELS, generator=generator) * torch.linspace(2, 0.1, CHANNELS)
    return (sources @ mixing + offset).transpose(1, 2).reshape(images, CHANNELS, SIDE, SIDE)


def batches_of(features: Tensor, size: int) -> FeatureBatches:
    return lambda: iter(torch.split(features, size))


def cells(features: Tensor) -> np.ndarray:
    return features.double().permute(0, 2, 3, 1).reshape(-1, CHANNELS).numpy()


@pytest.mark.parametrize("components", [1, 4, CHANNELS - 1])
@pytest.mark.parametrize("size", [3, 16])
def test_maps_are_the_residual_of_scikit_learns_pca(components: int, size: int) -> None:
    train, test = made(10, 0), made(4, 1)
    reference = PCA(n_components=components, svd_solver="full").fit(cells(train))
    left = cells(test) - reference.inverse_transform(reference.transform(cells(test)))
    fitted = PcaReconstruction.fit(batches_of(train, size), components)
    np.testing.assert_allclose(fitted.mean.numpy(), reference.mean_, rtol=1e-5)
    np.testing.assert_allclose(
        fitted.maps(test).numpy(), (left**2).mean(axis=1).reshape(4, SIDE, SIDE), rtol=1e-3, atol=1e-6
    )


def test_directions_survive_a_mean_that_is_far_larger_than_the_deviation() -> None:
    train = made(10, 0, offset=3000.0)
    reference = PCA(n_components=3, svd_solver="full").fit(cells(train))
    found = PcaReconstruction.fit(batches_of(train, 3), 3).directions.double().numpy()
    overlap = np.linalg.svd(found @ reference.components_.T, compute_uv=False)
    np.testing.assert_allclose(overlap, 1, atol=1e-6)


def test_maps_are_haloaes_residual_map_of_the_reconstruction() -> None:
    fitted = PcaReconstruction.fit(batches_of(made(6, 0), 2), 3)
    test = made(2, 1)
    away = test - fitted.mean.view(1, -1, 1, 1)
    reconstruction = torch.einsum("kc,kd,bdhw->bchw", fitted.directions, fitted.directions, away)
    torch.testing.assert_close(fitted.maps(test), residual_map(away, reconstruction), rtol=1e-4, atol=1e-5)


def test_a_cell_unlike_the_training_cells_stands_out() -> None:
    train, test = made(10, 0), made(3, 1)
    fitted: Baseline = PcaReconstruction.fit(batches_of(train, 4), 6)
    test[1, :, 2, 3] += 5 * torch.linspace(-1, 1, CHANNELS)
    maps = fitted.maps(test)
    assert maps.shape == (3, SIDE, SIDE)
    assert int(maps.argmax()) == (1 * SIDE + 2) * SIDE + 3


def test_a_fit_does_not_change_and_keeps_the_features_precision() -> None:
    train = made(6, 0)
    one, other = (PcaReconstruction.fit(batches_of(train, 4), 5) for _ in range(2))
    assert torch.equal(one.directions, other.directions)
    assert one.mean.dtype == one.directions.dtype == torch.float32


@pytest.mark.parametrize("components", [-1, 0, CHANNELS, CHANNELS + 1])
def test_components_that_leave_nothing_are_refused_at_the_first_batch(components: int) -> None:
    def batches() -> Iterator[Tensor]:
        yield made(2, 0)
        pytest.fail("read on")

    with pytest.raises(UsageError, match=f"{components} principal components .* 1 to 11 are possible"):
        PcaReconstruction.fit(batches, components)


def test_no_image_is_refused() -> None:
    with pytest.raises(UsageError, match="No training image"):
        PcaReconstruction.fit(lambda: iter(()), 2)


def test_batches_are_let_go() -> None:
    given: list[weakref.ref[Tensor]] = []

    def batches() -> Iterator[Tensor]:
        for seed in range(6):
            assert sum(one() is not None for one in given) <= 1  # the one that is being left
            features = made(2, seed)
            given.append(weakref.ref(features))
            yield features
            del features

    PcaReconstruction.fit(batches, 2)
    assert len(given) == 6
