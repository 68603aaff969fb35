"""What is measured of a batch, and pooling over tissue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.pooling import max_over, mean_over, mean_over_channels, moments_over_channels, quantile_over


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


class Watched(TorchDispatchMode):
    """Notes which operation made a tensor of which shape."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[str, torch.Size]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.made.append((func.overloadpacket.__name__, made.shape))
        return made


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moments_are_those_of_the_cells_that_count_in_either_layout(layout: torch.memory_format) -> None:
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 24, 12, 12, generator=random).contiguous(memory_format=layout)
    tissue = torch.rand(3, 12, 12, generator=random) < 0.5
    counted = [one[:, cells] for one, cells in zip(maps, tissue, strict=True)]  # (C, cells) of each tile
    mean, variance = moments_over_channels(maps, tissue)
    torch.testing.assert_close(mean, torch.stack([values.mean(dim=1) for values in counted]))
    torch.testing.assert_close(variance, torch.stack([values.var(dim=1, correction=0) for values in counted]))


def test_moments_square_one_tile_at_a_time_and_put_the_weights_first() -> None:
    """A batch's squares go out to memory and back; the other order of the product is five times as slow."""
    maps = torch.zeros(4, 24, 12, 12).contiguous(memory_format=torch.channels_last)
    with Watched() as watched:
        moments_over_channels(maps, torch.ones(4, 12, 12, dtype=torch.bool))
    assert {shape for name, shape in watched.made if name == "pow"} == {(1, 24, 12, 12), (4, 24)}
    assert {shape[1:] for name, shape in watched.made if name == "bmm"} == {(1, 24)}
    assert not {name for name, _ in watched.made} & {"clone", "copy_"}


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
