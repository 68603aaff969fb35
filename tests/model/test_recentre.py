"""Recentring: block C never sees what a whole tile shares, and all else sees what it saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.tiny import TILE, TINY
from tests.model.variants import VARIANTS, features_of, model
from tests.training.tiles import MemorySource
from wsi_haloae.config import Config
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.principal_start import start_at_principal_axes
from wsi_haloae.model.residuals import residuals
from wsi_haloae.training.statistics import measure_axes


@pytest.mark.parametrize("variant", ["halo", "dfr_cnn"])
@torch.no_grad()
def test_a_shift_of_a_whole_tile_changes_neither_residual_nor_code(variant: str) -> None:
    features = features_of(model(variant))
    shifted = features + torch.randn(2, features.shape[1], 1, 1)
    plain, centred = model(variant).eval(), model(variant, recentre="tile").eval()
    one, other = (centred.reconstruct(given) - given for given in (features, shifted))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    one, other = (plain.reconstruct(given) - given for given in (features, shifted))
    assert not torch.allclose(one, other, rtol=1e-2, atol=1e-2)


@torch.no_grad()
def test_what_rules_compare_keeps_its_mean() -> None:
    """`content` and `descriptor` are made of tile means, which would be 0 if the features themselves were recentred."""
    tiles = to_unit(torch.from_numpy(MemorySource().tiles[:2]))
    found = []
    for how in ("none", "tile"):
        config = Config.model_validate({"model": {**TINY, "recentre": how}})
        net = model("halo", recentre=how).eval()
        found.append(residuals(net, tiles, torch.ones(net.backbone.channels), config))
    assert torch.equal(found[0].given, found[1].given)
    assert not torch.equal(found[0].squared, found[1].squared)


@torch.no_grad()
def test_features_that_cannot_be_negative_can_be_when_recentred() -> None:
    unsigned = {**TINY["features"], "standardise": False}
    net = model("halo", features=unsigned, recentre="tile").eval()
    features = features_of(net)
    assert bool((net.decoder(net.encoder(features)) < 0).any())
    assert not bool((model("halo", features=unsigned).eval().reconstruct(features) < 0).any())


@torch.no_grad()
def test_a_principal_start_is_the_pca_of_recentred_features() -> None:
    """Two kinds of tiles that differ in brightness: with their means, the first axis would be brightness."""
    source = MemorySource()
    source.tiles[::2] //= 3
    tiles = np.arange(6)
    narrow = {**TINY["autoencoder"], "encoder": [{"mid": 8, "out": 3, "heads": 1, "kernel": 3}]}
    net = model("halo", recentre="tile", autoencoder=narrow).eval()
    axes = measure_axes(source, tiles, net, torch.device("cpu"), lambda _: None)
    assert float(axes.mean.abs().max()) < 1e-5
    kept = start_at_principal_axes(net.encoder, net.decoder, axes)
    assert kept == 3
    features = net.features(normalise(to_unit(torch.from_numpy(source.tiles[tiles])), 1))
    means = features.mean(dim=(2, 3), keepdim=True)
    directions = axes.directions[:kept].float()
    expected = means + torch.einsum("kc,kd,bdhw->bchw", directions, directions, features - means)
    left, total = (features - expected).square().mean(), (features - means).square().mean()
    assert left < 0.5 * total
    assert (net.reconstruct(features) - expected).square().mean() < 0.05 * left


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_recentred(variant: str) -> None:
    net = model(variant, TILE, recentre="tile")
    assert net.reconstruct(features_of(net)).shape == features_of(net).shape
