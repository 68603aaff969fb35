"""The whole model: alignment at any size, the released variants, tile sizes, what is frozen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.model.tiny import TILE, TINY, tiny_model
from wsi_haloae.config import ModelConfig
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.haloae import HaloAE, check_tile_size


def model(tile_size: int = TILE, **changes: object) -> HaloAE:
    torch.manual_seed(0)
    return HaloAE(ModelConfig.model_validate(TINY | changes), tile_size)


@pytest.mark.parametrize("tile_size", [48, 64, 96])
def test_every_output_has_its_size_though_blocks_do_not_divide_the_map(tile_size: int) -> None:
    net = model(tile_size)
    assert net.map_size % net.config.attention.block_size
    out = net(torch.randn(2, 3, tile_size, tile_size))
    cells = tile_size // 4
    assert out.features.shape == out.reconstruction.shape == (2, net.backbone.channels, cells, cells)
    assert out.image.shape == (2, 3, tile_size, tile_size)
    assert out.logits.shape == (2, 1)


@pytest.mark.parametrize(("downsample", "tile_size"), [(2, 96), (3, 144), (4, 176)])
def test_a_downsampled_tile_gives_a_smaller_map(downsample: int, tile_size: int) -> None:
    net = model(tile_size, input_downsample=downsample)
    assert net.image_size * downsample == tile_size
    out = net(torch.randn(1, 3, net.image_size, net.image_size))
    assert out.features.shape[-1] == net.map_size == tile_size // downsample // 4
    assert out.image.shape[-1] == net.image_size


def test_two_logits_can_be_asked_for() -> None:
    assert model(classifier={"logits": 2})(torch.randn(1, 3, TILE, TILE)).logits.shape == (1, 2)


def test_stretched_maps_are_the_smaller_reconstruction_by_nearest_neighbour() -> None:
    net = model(map_size="stretch60").eval()
    features = torch.randn(1, net.backbone.channels, 12, 12)
    with torch.no_grad():
        small = net.decoder(net.encoder(features))
        found = net.reconstruct(features)
    assert small.shape[-1] == 8
    source = torch.arange(12) * 8 // 12
    assert torch.equal(found, small[..., source, :][..., source])


def test_a_change_of_the_features_stays_around_its_cell() -> None:
    """Aligned: what one cell reaches (head 2, attention 1 + 1, convolution 1) lies around it on every side."""
    net = model(96, attention={"block_size": 1, "halo_size": 1, "dim_head": 4}).eval()
    features = torch.randn(1, net.backbone.channels, 24, 24)
    changed = features.clone()
    changed[..., 9, 14] += 5
    with torch.no_grad():
        moved = (net.reconstruct(changed) - net.reconstruct(features)).abs().amax(dim=1)[0] > 1e-6
    rows, columns = moved.any(dim=1).nonzero()[:, 0], moved.any(dim=0).nonzero()[:, 0]
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 14, 9, 19)


@pytest.mark.parametrize("standardise", [True, False])
def test_only_standardised_features_are_reconstructed_with_a_sign(standardise: bool) -> None:
    net = model(features={**TINY["features"], "standardise": standardise})
    assert bool((net.reconstruct(torch.randn(2, net.backbone.channels, 12, 12)) < 0).any()) is standardise


@pytest.mark.parametrize("final_relu", [True, False])
def test_only_without_a_final_relu_can_the_image_be_negative(final_relu: bool) -> None:
    net = model(image_decoder={"widths": [4], "final_relu": final_relu})
    assert bool((net.image_decoder(torch.randn(4, net.backbone.channels, 12, 12)) < 0).any()) is not final_relu


@pytest.mark.parametrize(
    ("tile_size", "downsample", "told"),
    [(32, 1, "48"), (100, 1, "96"), (0, 1, "48"), (-16, 1, "48"), (80, 2, "96"), (256, 3, "240"), (160, 4, "176")],
)
def test_a_tile_size_that_cannot_be_kept_aligned_is_refused_with_one_that_can(
    tile_size: int, downsample: int, told: str
) -> None:
    with pytest.raises(ConfigError, match=rf"tile size {tile_size} .*Use tiles of {told} pixels\.$"):
        check_tile_size(ModelConfig(input_downsample=downsample), tile_size)
    assert check_tile_size(ModelConfig(input_downsample=downsample), int(told)) == int(told)


def test_training_mode_leaves_the_features_frozen() -> None:
    net = tiny_model().train()
    assert net.encoder.training
    assert not net.backbone.training
    net(torch.randn(2, 3, TILE, TILE)).logits.sum().backward()
    assert all(parameter.grad is None for parameter in net.backbone.parameters())


def test_every_trained_parameter_gets_a_gradient() -> None:
    net = tiny_model().train()
    out = net(torch.randn(2, 3, TILE, TILE))
    (out.logits.square().sum() + out.reconstruction.square().sum() + out.image.square().sum()).backward()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name


def test_weights_start_from_kaiming_and_biases_from_zero() -> None:
    net = tiny_model()
    linear = net.classifier.linear
    assert float(linear.weight.detach().std()) == pytest.approx((2 / linear.in_features) ** 0.5, rel=0.1)
    assert not linear.bias.any()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert bool((part.weight == 1).all())
            assert not part.bias.any()


def test_the_same_seed_gives_the_same_model() -> None:
    first, second, other = tiny_model(1).state_dict(), tiny_model(1).state_dict(), tiny_model(2).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["encoder.head.0.weight"], other["encoder.head.0.weight"])
