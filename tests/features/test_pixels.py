"""The pixels in block B's place: nothing is lost, and SSIM sees an image."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.model.tiny import TILE, TINY, tiny_model
from wsi_haloae.config import ModelConfig, load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.pixels import PixelFeatures
from wsi_haloae.features.preprocessing import denormalise, normalise
from wsi_haloae.features.vgg import load_backbone_weights, split_layers
from wsi_haloae.model.haloae import HaloAE

PIXELS = {"backbone": "pixels", "standardise": False}


def pixel_model() -> HaloAE:
    torch.manual_seed(0)
    return HaloAE(ModelConfig.model_validate({**TINY, "features": PIXELS}), TILE)


def test_a_cell_holds_its_sixteen_pixels_row_by_row_colour_after_colour() -> None:
    images = torch.randn(2, 3, 24, 24)
    features = PixelFeatures()(images)
    assert features.shape == (2, 48, 6, 6)
    for colour, row, column in [(0, 0, 0), (0, 0, 3), (1, 2, 1), (2, 3, 3)]:
        channel = 16 * colour + 4 * row + column
        assert torch.equal(features[:, channel], images[:, colour, row::4, column::4])


def test_what_ssim_compares_is_the_image_itself() -> None:
    unit = torch.rand(2, 3, 24, 24)
    images = normalise(unit, 1)
    pixels = PixelFeatures()
    found = pixels.for_ssim(pixels(images))
    assert torch.equal(found, denormalise(images))
    torch.testing.assert_close(found, unit)


def test_a_gradient_comes_back_through_what_ssim_compares() -> None:
    features = torch.randn(1, 48, 3, 3, requires_grad=True)
    PixelFeatures().for_ssim(features).sum().backward()
    assert features.grad is not None
    assert bool((features.grad > 0).all())


def test_network_features_are_compared_as_they_are() -> None:
    backbone = tiny_model().backbone
    features = torch.randn(1, backbone.channels, 3, 3)
    assert backbone.for_ssim(features) is features


def test_pixels_are_one_layer_without_weights() -> None:
    pixels = PixelFeatures()
    assert pixels.channels == 48
    assert pixels.layers == ("pixels",)
    assert pixels.layer_channels == (48,)
    assert not pixels.state_dict()
    features = torch.randn(1, 48, 2, 2)
    (layer,) = split_layers(features, pixels.layer_channels)
    assert torch.equal(layer, features)


def test_the_model_takes_the_pixels_for_features() -> None:
    net, images = pixel_model(), torch.randn(2, 3, TILE, TILE)
    out = net(images)
    assert torch.equal(net.backbone.for_ssim(out.features), denormalise(images))
    assert out.reconstruction.shape == (2, 48, TILE // 4, TILE // 4)
    assert out.image.shape == images.shape


def test_dark_pixels_can_be_reconstructed() -> None:
    """Normalised, they are negative, though nothing was standardised."""
    net = pixel_model()
    assert bool((net.reconstruct(torch.randn(2, 48, 12, 12)) < 0).any())


def test_standardised_pixels_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"set model\.features\.standardise=false"):
        load_config("haloae", ["model.features.backbone=pixels"])
    settings = ["model.features.backbone=pixels", "model.features.standardise=false"]
    assert load_config("haloae", settings).model.features.backbone == "pixels"


def test_pixels_need_no_weights(tmp_path: Path) -> None:
    for weights in (None, tmp_path / "absent.safetensors"):
        assert load_backbone_weights(PixelFeatures(), "pixels", weights) == "the pixels themselves"
