"""The table of named encoders: what a name stands for, against models' cards; with random weights and no network."""

from __future__ import annotations

import re
from typing import Any

import pytest
import timm
import torch
from timm.layers import SwiGLUPacked, get_act_layer
from torch import nn
from torch.nn import functional as F

from docs.list_encoders import PAGE, with_encoder_list
from tests.features.timm_models import features_of
from wsi_haloae.config import FeaturesConfig, ModelConfig, announce_encoder, load_config
from wsi_haloae.config.encoder_words import encoder_table
from wsi_haloae.config.encoders import ENCODERS, encoder_of
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.grid import map_size
from wsi_haloae.features.preprocessing import denormalise
from wsi_haloae.features.resolve import resolve
from wsi_haloae.features.seen_scale import scale_warning
from wsi_haloae.features.timm_features import build_network, with_layers
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.model.cost import measure_cost

pytestmark = pytest.mark.usefixtures("no_network")

SMALL = {"embed_dim": 48, "num_heads": 3, "depth": 2}
CARDS: dict[str, dict[str, Any]] = {
    "uni2-h": {
        "img_size": 224,
        "patch_size": 14,
        "depth": 24,
        "num_heads": 24,
        "init_values": 1e-5,
        "embed_dim": 1536,
        "mlp_ratio": 2.66667 * 2,
        "num_classes": 0,
        "no_embed_class": True,
        "mlp_layer": SwiGLUPacked,
        "act_layer": nn.SiLU,
        "reg_tokens": 8,
        "dynamic_img_size": True,
    },
    "virchow2": {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU},
    "virchow": {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU},
    "h-optimus-1": {"init_values": 1e-5, "dynamic_img_size": False},
    "h-optimus-0": {"init_values": 1e-5, "dynamic_img_size": False},
    "uni": {"init_values": 1e-5, "dynamic_img_size": True},
}
"""What the models' cards pass to ``timm.create_model``, as it stands there."""
PUBLISHED = {
    "uni2-h": 681.4,
    "virchow2": 631.2,
    "h-optimus-1": 1130,
    "phikon-v2": 303.4,
    "midnight": 1140,
    "uni": 303.4,
    "virchow": 631.2,
    "h-optimus-0": 1130,
    "gigapath": 1130,
    "phikon": 85.8,
}
"""Millions of weights, as LazySlide's list of models has them."""


def named(name: str, *settings: str) -> ModelConfig:
    return load_config("haloae", [f"model.features.backbone={name}", *settings]).model


@pytest.mark.parametrize("name", CARDS)
def test_the_name_stands_for_the_arguments_of_the_models_card(name: str) -> None:
    ours = with_layers(dict(named(name).features.arguments))
    for argument, value in CARDS[name].items():
        assert (get_act_layer(ours[argument]) if argument == "act_layer" else ours[argument]) == value, argument


def parameters(name: str, depth: int) -> int:
    encoder = ENCODERS[name]
    with torch.device("meta"):
        network = build_network(encoder.architecture, {**encoder.arguments, "depth": depth}, 0)
    assert network.num_prefix_tokens == encoder.prefix_tokens
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_a_network_of_full_size_has_as_many_weights_as_the_table_says(name: str) -> None:
    """All blocks are alike, so two of them tell the number of all."""
    one, two = parameters(name, 1), parameters(name, 2)
    found = one + (ENCODERS[name].depth - 1) * (two - one)
    assert found / 1e6 == pytest.approx(ENCODERS[name].parameters, abs=0.3)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_table_has_the_number_of_weights_that_others_counted(name: str) -> None:
    assert ENCODERS[name].parameters == pytest.approx(PUBLISHED[name], rel=0.005)


def test_uni2_h_of_full_size_gives_two_depths_on_16_x_16_cells() -> None:
    config = resolve(load_config("haloae", ["model.features.backbone=uni2-h"])).model
    network = config.features.timm
    assert network is not None
    assert (network.stages, network.channels, network.reductions) == ((11, 17), (1536, 1536), (14, 14))
    cost = measure_cost(config, 224)
    assert (cost.channels, cost.map_size) == (3072, 16)
    assert cost.features_parameters < 0.76 * 681.4e6, "what lies behind three quarters is cut off"
    stated = (cost.features_flops / 1e9, cost.autoencoder_flops / 1e9, cost.autoencoder_parameters / 1e6)
    assert tuple(map(round, stated)) == (278, 30, 57), "docs/encoders.md says so"


@pytest.mark.parametrize("name", ENCODERS)
def test_features_equal_timms_own_tokens_of_images_that_were_normalised_as_on_the_card(name: str) -> None:
    """Resized to the size of the network where that is fixed; class token and registers are left out."""
    encoder = ENCODERS[name]
    arguments = {**SMALL, "img_size": 70} if encoder.image_size == 518 else SMALL
    features, config = features_of(name, arguments=arguments, stages=[0, 1])
    theirs = timm.create_model(
        encoder.architecture, **with_layers({**encoder.arguments, "dynamic_img_size": True, **arguments})
    ).eval()
    theirs.load_state_dict(features.network.state_dict())
    images = torch.randn(1, 3, 96, 96)
    mean, std = (torch.tensor(colour).view(1, 3, 1, 1) for colour in encoder.colours)
    unit, patch = denormalise(images), config.timm.reductions[0]
    size = 224 if name.startswith("h-optimus") else round(96 / patch) * patch
    if size != 96:
        unit = F.interpolate(unit, size=(size, size), mode="bilinear", antialias=True)
    with torch.no_grad():
        tokens = theirs.forward_features((unit - mean) / std)[:, encoder.prefix_tokens :]
    cells = size // patch
    assert map_size(config, 96) == min(cells, 96 // 4)
    assert tokens.shape[1] == cells**2
    found = split_layers(features(images), features.layer_channels)[-1]
    torch.testing.assert_close(found, tokens.mT.unflatten(2, (cells, cells)), rtol=1e-4, atol=1e-4)


def test_settings_that_are_given_win_and_the_hubs_name_is_the_same_encoder() -> None:
    given = named("uni2-h", "model.features.stages=[1, 3]", "model.features.arguments={depth: 4}").features
    assert given.stages == (1, 3)
    assert given.arguments["depth"] == 4
    assert given.arguments["reg_tokens"] == 8
    assert named("timm:hf-hub:mahmoodlab/uni2-h").features == named("uni2-h").features
    assert named("uni2-h").features == FeaturesConfig(backbone="uni2-h")
    assert FeaturesConfig.model_validate_json(given.model_dump_json()) == given


def test_another_network_of_the_hub_stands_for_nothing() -> None:
    assert encoder_of("timm:hf-hub:someone/UNI2-h") is None
    assert FeaturesConfig(backbone="timm:hf-hub:someone/UNI2-h").arguments == {}


def test_a_network_that_was_looked_up_keeps_what_it_was() -> None:
    """A checkpoint from before the table: its name is now in the table, but its network is not."""
    before, _ = features_of("kaiko-s16", arguments=SMALL, stages=[0])
    stored = before._config.model_dump() | {"arguments": {}, "stages": None}
    assert FeaturesConfig.model_validate(stored).stages is None


@pytest.mark.parametrize(
    ("wrong", "meant"), [("uni2h", "uni2-h"), ("virchow-2", "virchow2"), ("phikon_v2", "phikon-v2")]
)
def test_a_wrong_name_suggests_the_close_one(wrong: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"no such backbone; did you mean {meant}\?.*timm:NAME"):
        named(wrong)


@pytest.mark.parametrize(
    ("name", "tile_size", "mpp", "averaged", "told"),
    [
        ("uni2-h", 224, 0.5, 1, None),
        ("uni2-h", 256, 0.5, 1, None),
        ("uni2-h", 256, 0.5, 2, r"trained at 0\.5 µm/px, but .* at 1\.02 .*2 x 2 .*input_downsample=1.*0\.5 µm/px"),
        ("uni2-h", 224, 0.25, 1, r"at 0\.25 µm/px .*Cut tiles of 224 px.* at 0\.5 µm/px"),
        ("virchow2", 224, 0.5, 2, None),
        ("virchow2", 224, 4, 1, r"trained at 0\.25, 0\.5, 1, 2 µm/px.*Cut tiles of 224 px.* at 2 µm/px"),
        ("h-optimus-1", 224, 0.5, 1, None),
        ("h-optimus-1", 256, 0.5, 1, r"at 0\.571 .*resized to 224 px.*Cut tiles of 224 px \(--tile-size\)"),
        ("dinov2-s", 224, 4, 1, None),
        ("vgg19", 224, 4, 1, None),
    ],
)
def test_a_pixel_size_that_it_was_not_trained_at_is_warned_of(
    name: str, tile_size: int, mpp: float, averaged: int, told: str | None
) -> None:
    settings = (
        []
        if name == "vgg19"
        else ["model.features.arguments={depth: 2, embed_dim: 48, num_heads: 3}", "model.features.stages=[1]"]
    )
    config = named(name, f"model.input_downsample={averaged}", *settings)
    model = resolve(load_config("haloae").model_copy(update={"model": config})).model
    warning = scale_warning(model, tile_size, mpp)
    assert warning is None if told is None else re.search(told, str(warning)), warning


def test_the_licence_and_the_way_to_get_access_are_told() -> None:
    told = " ".join(announce_encoder(FeaturesConfig(backbone="uni2-h")))
    for part in ("CC-BY-NC-ND-4.0", "on request", "https://huggingface.co/MahmoodLab/UNI2-h", "hf auth login", "copy"):
        assert part in told
    assert "without a request" in " ".join(announce_encoder(FeaturesConfig(backbone="midnight")))
    assert not list(announce_encoder(FeaturesConfig(backbone="uni2-h", weights="random")))
    assert not list(announce_encoder(FeaturesConfig()))


def test_the_documentation_lists_the_encoders_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_encoder_list(page), "write it anew: python docs/list_encoders.py"


def test_the_table_shows_every_encoder() -> None:
    lines = encoder_table().splitlines()
    assert len(lines) == 1 + len(ENCODERS)
    assert all(line.startswith(name) for line, name in zip(lines[1:], ENCODERS, strict=True))
