"""Block C in every variant: sizes, gradients, checkpoints, what stays of HaloAE, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.model.tiny import TILE, TINY, meta_model
from tests.model.variants import VARIANTS, count, features_of, model
from wsi_haloae.config import Config, ModelConfig, load_config, preset_names
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.vgg import MultiScaleFeatures
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.model.halo_attention import HaloAttention
from wsi_haloae.model.halo_autoencoder import HaloDecoder, HaloEncoder
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.model.image_decoder import Classifier, ImageDecoder

variants = pytest.mark.parametrize("variant", VARIANTS)


@variants
@pytest.mark.parametrize("tile_size", [48, 64, 80])  # maps of 12 and 16 cells, and of four windows of 5
def test_a_reconstruction_has_the_maps_size(variant: str, tile_size: int) -> None:
    net = model(variant, tile_size)
    features = features_of(net)
    assert net.decoder(net.encoder(features)).shape == features.shape
    assert net(torch.randn(2, 3, tile_size, tile_size)).image.shape == (2, 3, tile_size, tile_size)


@variants
def test_a_channels_last_model_reconstructs_the_same(variant: str) -> None:
    net = model(variant).eval()
    features = features_of(net)
    with torch.no_grad():
        expected = net.reconstruct(features)
        net = net.to(memory_format=torch.channels_last)
        found = net.reconstruct(features.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@variants
def test_a_gradient_reaches_every_parameter(variant: str) -> None:
    net = model(variant).train()
    features = features_of(net)
    (net.reconstruct(features) - features).square().mean().backward()
    for part in (net.encoder, net.decoder):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            if parameter.ndim > 1:  # a bias before a batch norm has no effect
                assert bool(parameter.grad.any()), name


@variants
def test_a_reconstruction_starts_at_the_scale_of_its_features(variant: str) -> None:
    net = model(variant).train()
    assert 1e-3 < float(net.reconstruct(features_of(net)).detach().var()) < 20


@variants
def test_a_checkpoint_keeps_the_reconstruction(variant: str, tmp_path: Path) -> None:
    config = Config.model_validate({"model": {**TINY, **VARIANTS[variant]}})
    facts = CheckpointFacts(
        config=config, tile_size=TILE, mpp=None, display_range=(0.0, 1.0), backbone_source="none", training={}
    )
    net = model(variant).eval()
    maps, channels = torch.rand(2, 12, 12), torch.rand(net.backbone.channels)
    Checkpoint(facts, net, maps[0].clone(), channels, mean_image_map=maps[1].clone()).save(tmp_path / "m.safetensors")
    loaded = Checkpoint.load(tmp_path / "m.safetensors").model
    images = torch.randn(2, 3, TILE, TILE)
    with torch.no_grad():
        assert torch.equal(loaded.reconstruct(loaded.features(images)), net.reconstruct(net.features(images)))


@pytest.mark.parametrize("variant", ["halo", "residual_cnn", "dfr_cnn", "swin"])
def test_every_code_is_as_wide_as_haloaes(variant: str) -> None:
    net = model(variant)
    assert net.encoder(features_of(net)).shape == (2, 8, 12, 12)
    settings = (f"model.block_c={variant}",)
    with torch.device("meta"):
        assert meta_model("haloae", *settings).encoder(torch.empty(1, 704, 64, 64)).shape == (1, 29, 64, 64)
        assert meta_model("haloae-small", *settings).encoder(torch.empty(1, 704, 32, 32)).shape == (1, 32, 32, 32)


def test_the_halo_variant_has_the_keys_and_weights_of_its_halves_built_by_hand() -> None:
    config = ModelConfig.model_validate(TINY)
    found = model("halo")
    torch.manual_seed(0)
    MultiScaleFeatures(config.features)  # draws numbers before block C does
    encoder = HaloEncoder(32, config.autoencoder, config.attention, same_size=True)
    decoder = HaloDecoder(8, 32, config.autoencoder, config.attention, signed=True)
    rest = ImageDecoder(32, config.image_decoder, TILE // 4, TILE), Classifier(TILE, 1)
    for part in (encoder, decoder, *rest):
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    expected = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    expected |= {f"decoder.{name}": value for name, value in decoder.state_dict().items()}
    state = {name: value for name, value in found.state_dict().items() if name.startswith(("encoder.", "decoder."))}
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert {"encoder.head.0.weight", "encoder.stages.0.body.3.rel_height", "decoder.stages.0.body.5.weight"} <= set(
        state
    )


def test_without_attention_everything_else_stays() -> None:
    halo, cnn = model("halo"), model("residual_cnn")
    assert not any(isinstance(module, HaloAttention) for module in cnn.modules())
    assert set(cnn.state_dict()) == {name for name in halo.state_dict() if ".body.3." not in name}
    large, bare = meta_model("haloae"), meta_model("haloae", "model.block_c=residual_cnn")
    attention = count(*(module for module in large.modules() if isinstance(module, HaloAttention)))
    assert attention > 700_000
    assert count(bare.encoder, bare.decoder) == count(large.encoder, large.decoder) - attention


def test_an_auto_encoder_of_images_is_refused_for_features() -> None:
    with pytest.raises(ConfigError, match=r"not of vgg19 features; set model\.features\.backbone=pixels"):
        load_config("haloae", ["model.block_c=bergmann"])


def test_an_auto_encoder_of_images_needs_tiles_that_can_be_halved_four_times() -> None:
    config = ModelConfig.model_validate({**TINY, **VARIANTS["bergmann"], "input_downsample": 2})
    with pytest.raises(ConfigError, match=r"tile size 112 .*a multiple of 32.*Use tiles of 96 pixels\.$"):
        check_tile_size(config, 112)
    assert model("bergmann", 96, input_downsample=2).map_size == 12


@pytest.mark.parametrize("block_c", ["dfr_cnn", "swin"])
def test_the_smaller_map_belongs_to_the_halonets_head(block_c: str) -> None:
    with pytest.raises(ConfigError, match=f"block_c {block_c} has no such head; set model.map_size=same"):
        load_config("haloae-as-released", [f"model.block_c={block_c}"])


def test_without_attention_the_head_can_still_be_the_published_one() -> None:
    assert model("residual_cnn", map_size="stretch60").encoder(torch.randn(2, 32, 12, 12)).shape[-1] == 8


PRESETS = {
    "block-c-residual-cnn": ("residual_cnn", "vgg19"),
    "block-c-cnn": ("dfr_cnn", "vgg19"),
    "block-c-swin": ("swin", "vgg19"),
    "block-c-alone": ("halo", "pixels"),
    "ae-l2": ("bergmann", "pixels"),
    "ae-ssim": ("bergmann", "pixels"),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_changes_block_c_and_its_input_alone(name: str) -> None:
    assert name in preset_names("ablation")
    found, default = load_config(name).model, ModelConfig()
    assert (found.block_c, found.features.backbone) == PRESETS[name]
    assert found.features.standardise is (found.features.backbone != "pixels")
    kept = {"block_c": default.block_c, "features": default.features}
    assert found.model_copy(update=kept) == default
