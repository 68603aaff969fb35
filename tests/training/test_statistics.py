"""Statistics of training tiles against NumPy on everything at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.tiny import tiny_checkpoint, tiny_model
from tests.training.tiles import MemorySource
from wsi_haloae.model.preprocessing import normalise, to_unit
from wsi_haloae.training import statistics
from wsi_haloae.training.statistics import measure_features, measure_mean_map

CPU = torch.device("cpu")
TILES = np.array([0, 2, 3, 5, 7, 8, 9])


@pytest.fixture(params=[3, 16])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MemorySource:
    monkeypatch.setattr(statistics, "BATCH", request.param)
    return MemorySource()


def test_channel_statistics_equal_numpy(source: MemorySource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CELLS_PER_TILE", 10_000)  # all of them
    model, seen = tiny_model().eval(), []
    found = measure_features(source, TILES, model, CPU, seen.append)
    images = normalise(to_unit(torch.from_numpy(source.tiles[TILES])), 1)
    cells = model.backbone(images).double().numpy().transpose(1, 0, 2, 3).reshape(model.backbone.channels, -1)
    np.testing.assert_allclose(found.mean.numpy(), cells.mean(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.std.numpy(), cells.std(axis=1), rtol=1e-4, atol=1e-6)
    low, high = np.quantile(cells, (0.001, 0.999), axis=1)
    np.testing.assert_allclose(found.low.numpy(), low, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.high.numpy(), high, rtol=1e-4, atol=1e-5)
    assert sum(seen) == len(TILES)


def test_percentiles_of_a_draw_lie_within_the_data_and_do_not_change(source: MemorySource) -> None:
    model = tiny_model().eval()
    one, other = (measure_features(source, TILES, model, CPU, lambda _: None) for _ in range(2))
    assert torch.equal(one.low, other.low)
    assert torch.equal(one.high, other.high)
    assert bool((one.low <= one.high).all())


def test_features_are_measured_before_standardisation(source: MemorySource) -> None:
    fresh, fitted = tiny_model(0).eval(), tiny_checkpoint(0).model
    one, other = (measure_features(source, TILES, model, CPU, lambda _: None) for model in (fresh, fitted))
    assert torch.equal(one.mean, other.mean)


def test_the_mean_map_is_the_mean_residual_of_the_tiles(source: MemorySource) -> None:
    model, seen = tiny_checkpoint().model, []
    found = measure_mean_map(source, TILES, model, CPU, seen.append)
    with torch.no_grad():
        features = model.features(normalise(to_unit(torch.from_numpy(source.tiles[TILES])), 1))
        squared = (features - model.reconstruct(features)).double().numpy() ** 2
    np.testing.assert_allclose(found.numpy(), squared.mean(axis=(0, 1)), rtol=1e-4)
    assert sum(seen) == len(TILES)
