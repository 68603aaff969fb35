"""Block C that starts as a PCA, against the PCA; main directions against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsi_haloae.config import load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.block_c import build_block_c
from wsi_haloae.model.principal_axes import PrincipalAxes
from wsi_haloae.model.principal_start import start_at_principal_axes

CHANNELS = 48


def features(seed: int = 0) -> Tensor:
    """Correlated, skewed and off centre, as standardised features of tiles are: (3, C, 16, 16)."""
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(CHANNELS, CHANNELS, generator=random) * torch.linspace(1, 0.05, CHANNELS)[None] ** 2
    sources = torch.randn(3, CHANNELS, 16, 16, generator=random)
    sources = sources + 0.3 * sources.square()
    return torch.einsum("dc,bchw->bdhw", mixing, sources) + torch.randn(CHANNELS, generator=random)[:, None, None]


def by_pca(x: Tensor, axes: PrincipalAxes, kept: int) -> Tensor:
    mean, directions = axes.mean.float()[:, None, None], axes.directions[:kept].float()
    return mean + torch.einsum("kc,kd,bdhw->bchw", directions, directions, x - mean)


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("model.block_c=residual_cnn",),
        ("model.autoencoder.head_width=64",),  # wider than the features
        ("model.autoencoder.head_kernel=5",),
        ("model.autoencoder.code_rank=12",),
    ],
)
@torch.no_grad()
def test_block_c_starts_as_the_pca_of_its_narrowest_width(settings: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    encoder, decoder = build_block_c(load_config("haloae-small", settings).model, CHANNELS, 16)
    x = features()
    axes = PrincipalAxes.fit([x[:1], x[1:]])
    assert axes is not None
    kept = start_at_principal_axes(encoder, decoder, axes)
    assert kept == (12 if "model.autoencoder.code_rank=12" in settings else 32)
    expected = by_pca(x, axes, kept)
    left, total = (x - expected).square().mean(), x.var()
    assert left < 0.2 * total
    for train in (False, True):  # with running statistics, and with those of the batch
        encoder.train(train)
        decoder.train(train)
        found = decoder(encoder(x))
        assert (found - expected).square().mean() < 0.02 * left


@pytest.mark.parametrize("settings", [(), ("model.autoencoder.code_rank=12",)])
def test_every_weight_can_still_learn(settings: tuple[str, ...]) -> None:
    """Silent bodies and skipped channels wake with the first steps."""
    torch.manual_seed(0)
    encoder, decoder = build_block_c(load_config("haloae-small", settings).model, CHANNELS, 16)
    x = features()
    axes = PrincipalAxes.fit([x])
    assert axes is not None
    start_at_principal_axes(encoder, decoder, axes)
    named = [*encoder.named_parameters(), *decoder.named_parameters()]
    optimiser = torch.optim.Adam([parameter for _, parameter in named], lr=1e-3)
    moved = {name: False for name, _ in named}
    for _ in range(4):
        loss = (decoder(encoder(x)) - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in named:
            moved[name] |= bool(parameter.grad is not None and parameter.grad.abs().max() > 0)
        optimiser.step()
    assert all(moved.values()), [name for name, has in moved.items() if not has]


@given(st.integers(0, 2**16))
def test_main_directions_are_numpys(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = random.normal(size=(40, 4)) @ random.normal(size=(4, 4)) + 3
    x = torch.from_numpy(cells.T.reshape(1, 4, 8, 5))
    axes = PrincipalAxes.fit([x])
    assert axes is not None
    values, vectors = np.linalg.eigh(np.cov(cells.T, bias=True))
    np.testing.assert_allclose(axes.mean, cells.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(axes.variances, values[::-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.abs(axes.directions.numpy() @ vectors[:, ::-1]), np.eye(4), atol=1e-4)


@torch.no_grad()
def test_noise_on_the_code_costs_the_pca_what_it_drops() -> None:
    """About the mean: dropout to 0 would add 36 times as much, because components are raised by six deviations."""
    torch.manual_seed(0)
    settings = ("model.autoencoder.code_dropout=0.2",)
    encoder, decoder = build_block_c(load_config("haloae-small", settings).model, CHANNELS, 16)
    x = features()
    axes = PrincipalAxes.fit([x])
    assert axes is not None
    kept = start_at_principal_axes(encoder, decoder, axes)
    error = (decoder(encoder(x)) - by_pca(x, axes, kept)).square().mean()
    passed = axes.variances[:kept].sum() / CHANNELS
    assert float(error / passed) == pytest.approx(0.2 / 0.8, rel=0.3)


def test_without_cells_there_are_no_axes() -> None:
    assert PrincipalAxes.fit([]) is None


def test_a_last_stage_without_weights_of_its_own_is_refused() -> None:
    config = load_config("haloae-small").model
    wide = config.autoencoder.decoder[-2].out
    encoder, decoder = build_block_c(config, wide, 16)
    axes = PrincipalAxes.fit([torch.randn(4, wide, 16, 16)])
    assert axes is not None
    with pytest.raises(ConfigError, match=f"as wide as the {wide} channels"):
        start_at_principal_axes(encoder, decoder, axes)
