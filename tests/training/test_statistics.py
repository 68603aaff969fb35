"""Statistics of training tiles against NumPy on everything at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.tiny import TILE, tiny_checkpoint, tiny_config, tiny_model
from tests.training.tiles import MemorySource
from wsi_haloae.config import LossConfig
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.training import statistics
from wsi_haloae.training.statistics import measure_features, measure_mean_maps

CPU = torch.device("cpu")
TILES = np.array([0, 2, 3, 5, 7, 8, 9])


@pytest.fixture(params=[3, 16])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MemorySource:
    monkeypatch.setattr(statistics, "BATCH", request.param)
    return MemorySource()


def test_a_spread_draw_reaches_from_the_first_to_the_last() -> None:
    assert evenly(np.arange(100, 200), 3).tolist() == [100, 150, 199]
    assert evenly(np.arange(5), 9).tolist() == [0, 1, 2, 3, 4]
    assert evenly(np.arange(5), 5).tolist() == [0, 1, 2, 3, 4]


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


def test_the_mean_maps_are_the_mean_residuals_of_the_tiles(source: MemorySource) -> None:
    checkpoint, seen = tiny_checkpoint(), []
    model = checkpoint.model
    found, found_image = measure_mean_maps(
        source, TILES, model, tiny_config(), checkpoint.feature_range, CPU, seen.append
    )
    with torch.no_grad():
        images = normalise(to_unit(torch.from_numpy(source.tiles[TILES])), 1)
        output = model(images)
        squared = (output.features - output.reconstruction).double().numpy() ** 2
        of_image = ((images - output.image).double().numpy() ** 2).mean(axis=(0, 1))
    np.testing.assert_allclose(found.numpy(), squared.mean(axis=(0, 1)), rtol=1e-4)
    cells = of_image.reshape(TILE // 4, 4, TILE // 4, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(found_image.numpy(), cells, rtol=1e-4)
    assert sum(seen) == len(TILES)


def test_an_image_that_is_not_trained_has_no_mean_map(source: MemorySource) -> None:
    checkpoint = tiny_checkpoint()
    config = tiny_config().model_copy(update={"loss": LossConfig(im=False)})
    maps = measure_mean_maps(source, TILES, checkpoint.model, config, checkpoint.feature_range, CPU, lambda _: None)
    assert maps[1] is None
