"""What is measured of a batch, and pooling over tissue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.pooling import max_over, mean_over, mean_over_channels, quantile_over


@pytest.mark.parametrize("brightness", [0, 250])
def test_unexplained_shares_are_those_of_a_loop(brightness: int) -> None:
    """Of each channel by itself, over tissue cells; over all where there is none."""
    random = np.random.default_rng(brightness)
    given_, made = random.normal(size=(2, 2, 5, 4, 4))
    given_[0, 3] = 0.7  # a dead channel
    tissue = random.random((2, 4, 4)) < 0.6
    tissue[1] &= brightness == 0
    shares = unexplained_shares(given_, made, tissue)
    for tile in range(2):
        counted = tissue[tile] if tissue[tile].any() else np.ones((4, 4), bool)
        for channel in range(5):
            cells, again = given_[tile, channel][counted], made[tile, channel][counted]
            expected = (np.mean((cells - again) ** 2) + 1e-4) / (np.var(cells) + 1e-4)
            assert shares[tile, channel] == pytest.approx(expected, rel=1e-6)


def test_simple_and_complex_tissue_that_are_explained_alike_have_the_same_profile() -> None:
    random = np.random.default_rng(0)
    features, error = (random.normal(size=(1, 5, 8, 8)) for _ in range(2))
    simple, complicated = (
        unexplained_shares(scale * features, scale * (features + 0.3 * error), np.ones((1, 8, 8), bool))
        for scale in (0.5, 5.0)
    )
    torch.testing.assert_close(simple, complicated, rtol=1e-2, atol=0)


def unexplained_shares(features: np.ndarray, reconstruction: np.ndarray, tissue: np.ndarray) -> torch.Tensor:
    squares, nothing = (features - reconstruction) ** 2, torch.empty(0)
    found = Residuals(nothing, nothing, nothing, torch.from_numpy(squares), torch.from_numpy(features))
    return Measured(found, torch.from_numpy(tissue), Reference({}, {})).unexplained_shares


def test_features_are_averaged_over_tissue_or_over_everything_where_there_is_none() -> None:
    features = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 2, 2)
    tissue = torch.tensor([[[True, False], [False, True]], [[False, False], [False, False]]])
    expected = torch.stack([features[0, :, [0, 1], [0, 1]].mean(dim=1), features[1].mean(dim=(1, 2))])
    torch.testing.assert_close(mean_over_channels(features, tissue), expected)


@given(st.integers(0, 2**16), st.floats(0, 1))
def test_pooling_equals_numpy(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    maps = random.normal(size=(2, 6, 6)).astype(np.float32)
    tissue = random.random((2, 6, 6)) < share
    given_ = torch.from_numpy(maps), torch.from_numpy(tissue)
    for pooled, expected in ((mean_over, np.mean), (max_over, np.max), (quantile_over, lambda v: np.quantile(v, 0.95))):
        found = pooled(*given_).numpy()
        for number in range(2):
            counted = tissue[number] if tissue[number].any() else np.ones((6, 6), bool)
            assert found[number] == pytest.approx(expected(maps[number][counted]), rel=1e-4, abs=1e-5)
