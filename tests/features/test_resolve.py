"""Block C adapts its widths to features of timm, and says what that costs."""

from __future__ import annotations

import pytest
import torch

from tests.features.timm_models import CNN, VIT
from wsi_haloae.config import Config, FeaturesConfig, ModelConfig, load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.resolve import resolve, suit_widths
from wsi_haloae.model.cost import describe_cost, measure_cost, warn_on_cpu
from wsi_haloae.model.haloae import HaloAE

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.mark.parametrize("backbone", ["vgg19", "vgg16", "random"])
def test_features_of_our_own_keep_every_setting(backbone: str) -> None:
    config = load_config("haloae", [f"model.features.backbone={backbone}"])
    assert resolve(config) is config


def test_as_many_channels_as_vgg19_keep_the_widths() -> None:
    before = load_config("haloae").model
    after = suit_widths(before, 704)
    assert after.autoencoder == before.autoencoder.model_copy(update={"made_for": None})
    assert after.swin == before.swin


def test_four_times_the_channels_double_the_widths() -> None:
    before = load_config("haloae").model
    after = suit_widths(before, 4 * 704)
    assert after.autoencoder.head_width == 468
    assert [stage.out for stage in after.autoencoder.encoder] == [468, 234, 116, 58]
    assert [stage.out for stage in after.autoencoder.decoder] == [58, 118, 236, 474, None]
    assert [stage.mid for stage in after.autoencoder.decoder] == [58, 116, 236, 472, 1406]
    assert [stage.heads for stage in after.autoencoder.encoder] == [4, 8, 8, 8]
    assert after.swin.widths == (1024, 512, 256)


def test_the_rank_of_the_code_follows_its_width() -> None:
    before = load_config("haloae", ["model.autoencoder.code_rank=16"]).model
    assert suit_widths(before, 4 * 704).autoencoder.code_rank == 32
    assert suit_widths(before, 1).autoencoder.code_rank == 1


def test_swins_widths_still_divide_into_heads() -> None:
    config = load_config("haloae", ["model.block_c=swin"]).model
    after = suit_widths(config, 448)
    assert all(width % config.swin.dim_head == 0 for width in after.swin.widths)
    assert after.swin.widths == (416, 208, 96)


def test_few_channels_leave_one_at_least() -> None:
    assert suit_widths(load_config("haloae").model, 1).autoencoder.encoder[-1].out == 1


def test_widths_of_ones_own_are_left_alone() -> None:
    config = load_config("haloae", ["model.autoencoder.made_for=null"]).model
    assert suit_widths(config, 9999) == config


def test_a_definite_configuration_is_not_changed_again() -> None:
    config = resolve(load_config("haloae", [f"model.features.backbone={CNN}"]))
    assert config.model.autoencoder.head_width == round(234 * (272 / 704) ** 0.5)
    assert resolve(config) == config
    assert resolve(Config.model_validate_json(config.model_dump_json())) == config


def test_features_of_a_network_have_a_sign_even_unstandardised() -> None:
    assert FeaturesConfig(backbone=CNN, standardise=False).signed
    assert not FeaturesConfig(standardise=False).signed
    assert FeaturesConfig().signed


def test_the_cost_of_vgg19_is_the_specifications() -> None:
    cost = measure_cost(load_config("haloae").model, 256)
    assert (cost.channels, cost.map_size) == (704, 64)
    assert (cost.features_parameters, cost.autoencoder_parameters) == (2_325_568, 8_192_916)
    assert round(cost.features_flops / 1e9, 1) == 29.2


def test_a_transformers_attention_is_counted() -> None:
    """Width 96, nine blocks with three heads and an MLP three times as wide, patches of 16, a class token or none."""
    config = resolve(load_config("haloae", [f"model.features.backbone={VIT}"])).model
    with torch.device("meta"):
        backbone = HaloAE(config, 256).backbone
    products = sum(
        module.weight.numel() for module in backbone.modules() if isinstance(module, torch.nn.Linear)
    )  # each weight meets every token once
    tokens, width, blocks = 16 * 16, 96, 9
    prefix = backbone.network.num_prefix_tokens
    expected = 2 * products * (tokens + prefix) + blocks * 4 * (tokens + prefix) ** 2 * width
    expected += 2 * 3 * 16 * 16 * width * tokens  # the patches
    assert measure_cost(config, 256).features_flops == expected


def test_the_cost_is_told_against_vgg19_with_the_preset_as_it_was() -> None:
    asked = load_config("haloae", [f"model.features.backbone={CNN}"])
    config = resolve(asked)
    lines = describe_cost(asked.model, config.model, 256)
    assert lines[0] == "features timm:test_resnet: 272 channels on 64 x 64 cells"
    assert "10.5 million weights (2.3 features + 8.2 auto-encoder)" in lines[2]
    assert "with vgg19 instead" in lines[2]
    assert "head 234 -> 145, code 29 -> 18" in lines[3]
    assert len(describe_cost(config.model, config.model, 256)) == 3, "widths that were not changed are not told"
    assert len(describe_cost(load_config("haloae").model, load_config("haloae").model, 256)) == 2


def warnings(config: ModelConfig, tile_size: int, device: str) -> list[str]:
    told: list[str] = []
    warn_on_cpu(config, tile_size, torch.device(device), told.append)
    return told


@pytest.mark.parametrize(
    ("preset", "tile_size", "warns"),
    [("haloae", 256, True), ("haloae", 80, False), ("haloae-small", 256, False), ("demo", 256, False)],
)
def test_on_a_cpu_the_preset_for_cpus_is_named_if_it_is_much_cheaper(preset: str, tile_size: int, warns: bool) -> None:
    config = load_config(preset).model
    told = warnings(config, tile_size, "cpu")
    assert len(told) == warns
    ratio = measure_cost(config, tile_size).flops / measure_cost(load_config("haloae-small").model, 256).flops
    assert all(f"--config haloae-small needs {ratio:.0f} times fewer operations" in line for line in told)
    assert not warnings(config, tile_size, "cuda")


def test_on_a_cpu_the_preset_with_the_same_features_is_named() -> None:
    config, small = (load_config(preset).model for preset in ("haloae-2", "haloae-2-small"))
    ratio = measure_cost(config, 256).flops / measure_cost(small, 256).flops
    assert "with vgg19 instead" in describe_cost(config, config, 256)[2]
    assert f"--config haloae-2-small needs {ratio:.0f} times fewer operations" in warnings(config, 256, "cpu")[0]


def test_a_size_that_the_network_cannot_take_is_told_before_training() -> None:
    config = resolve(load_config("haloae", ["model.features.backbone=timm:hrnet_w18_small"])).model
    with pytest.raises(ConfigError, match=r"hrnet_w18_small cannot take images of 112 x 112 pixels"):
        measure_cost(config, 112)
