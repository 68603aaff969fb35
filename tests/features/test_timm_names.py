"""What stands behind timm:NAME, and what is said when nothing does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from tests.features.timm_models import CNN, MAXVIT, SMALL_PATCH, TILE, VIT, resolved
from wsi_haloae.config import Config, FeaturesConfig, load_config
from wsi_haloae.errors import ConfigError, UsageError
from wsi_haloae.features.backbones import build_backbone, load_weights
from wsi_haloae.features.timm_names import look_up
from wsi_haloae.model.haloae import HaloAE, check_tile_size

pytestmark = pytest.mark.usefixtures("no_network")


def named(backbone: str, **settings: Any) -> FeaturesConfig:
    return FeaturesConfig(backbone=backbone, weights="random", **settings)


def test_a_pyramid_gives_its_stages_from_a_quarter_to_a_sixteenth() -> None:
    found = look_up(named("timm:resnet50"))
    assert (found.architecture, found.stages) == ("resnet50", (1, 2, 3))
    assert (found.channels, found.reductions) == ((256, 512, 1024), (4, 8, 16))
    assert found.fixed_size is None


def test_a_plain_transformer_gives_four_depths_and_takes_any_size() -> None:
    found = look_up(named("timm:vit_base_patch16_224.augreg_in21k"))
    assert (found.architecture, found.stages) == ("vit_base_patch16_224", (2, 5, 8, 11))
    assert (found.channels, found.reductions) == ((768,) * 4, (16,) * 4)
    assert found.arguments == {"img_size": 224, "dynamic_img_size": True}
    assert found.fixed_size is None
    assert (found.mean, found.std) == ((0.5,) * 3, (0.5,) * 3)


def test_a_transformer_that_is_told_to_keep_its_size_keeps_it() -> None:
    assert look_up(named(VIT, arguments={"dynamic_img_size": False})).fixed_size == 160
    assert look_up(named(MAXVIT)).fixed_size == 160
    assert look_up(named(MAXVIT, arguments={"img_size": 192})).fixed_size == 192


def test_widths_are_measured_where_the_last_norm_changes_them() -> None:
    """SAM's neck is its norm: 768 channels become 256, and timm's list of stages names the former."""
    assert look_up(named("timm:samvit_base_patch16")).channels == (256,) * 4


def test_chosen_stages_are_taken() -> None:
    found = look_up(named(CNN, stages=[0, 2]))
    assert (found.stages, found.channels, found.reductions) == ((0, 2), (32, 48), (2, 8))


def test_arguments_of_a_models_card_reach_the_network() -> None:
    """As UNI2-h and Virchow2 are built: names of layers, and numbers that YAML takes for text."""
    config = load_config(
        None,
        [
            f"model.features.backbone={VIT}",
            "model.features.arguments={mlp_layer: SwiGLUPacked, act_layer: silu, init_values: 1e-5, reg_tokens: 4}",
        ],
    ).model.features
    found = look_up(config)
    assert found.arguments["init_values"] == 1e-5
    state = build_backbone(config.model_copy(update={"timm": found})).state_dict()
    assert bool((state["network.blocks.0.ls1.gamma"] == 1e-5).all())
    assert state["network.reg_token"].shape == (1, 4, 96)
    assert state["network.blocks.0.mlp.fc1.weight"].shape[0] == 2 * state["network.blocks.0.mlp.fc2.weight"].shape[1]


@pytest.mark.parametrize(
    ("backbone", "settings", "told"),
    [
        ("timm:resnet5O", {}, r"no such network; did you mean .*resnet50"),
        ("timm:qqqqqqqq", {}, r"timm\.list_models\(\)"),
        ("timm:resnet18.mine", {}, r"no such weights; choose one of .*resnet18\.a1_in1k"),
        ("timm:owner/name", {}, "hf-hub:owner/name"),
        ("timm:s3:bucket", {}, "Unknown model source"),
        (CNN, {"arguments": {"reg_tokens": 3}}, "timm cannot build it with .*reg_tokens"),
        (VIT, {"arguments": {"mlp_layer": "Nonsense"}}, "no layer Nonsense"),
        (VIT, {"arguments": {"mlp_layer": "to_2tuple"}}, "no layer to_2tuple"),
        (CNN, {"stages": [1, 9]}, r"stages=\[1, 9\] is not possible; .* stages: 0 \(act1: 32 channels, 1/2\)"),
    ],
)
def test_what_timm_does_not_know_is_refused_with_what_it_knows(
    backbone: str, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        look_up(named(backbone, **settings))


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"pip install 'wsi-haloae\[timm\]'"):
        look_up(named(CNN))


def test_a_hub_that_cannot_be_reached_is_an_error_with_two_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_settings: object) -> None:
        raise OSError("no network\nat all")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(UsageError, match=r"owner/uni.*\(no network\).*timm:local-dir:FOLDER.*--weights"):
        look_up(named("timm:hf-hub:owner/uni"))


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """A model as a hub keeps it: an architecture, its own arguments, mean and deviation, and weights."""
    arguments = {"patch_size": 8, "init_values": 1e-5, "reg_tokens": 2}
    described = {"mean": [0.7, 0.6, 0.7], "std": [0.2, 0.25, 0.2], "classifier": "head"}
    described |= {"input_size": [3, 128, 128], "fixed_input_size": True}
    config = {"architecture": "test_vit3", "num_classes": 0, "model_args": arguments, "pretrained_cfg": described}
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.manual_seed(5)
    theirs = timm.create_model("test_vit3", num_classes=0, img_size=128, **arguments)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    return tmp_path


def test_a_model_of_a_hub_is_pinned_by_its_own_description(downloaded: Path) -> None:
    found = look_up(FeaturesConfig(backbone=f"timm:local-dir:{downloaded}"))
    assert found.architecture == "test_vit3"
    assert found.arguments["patch_size"] == 8
    assert found.arguments["init_values"] == 1e-5
    assert (found.mean, found.std) == ((0.7, 0.6, 0.7), (0.2, 0.25, 0.2))
    assert found.reductions == (8,) * 4


def test_a_model_of_a_hub_brings_its_weights(downloaded: Path) -> None:
    config = FeaturesConfig(backbone=f"timm:local-dir:{downloaded}")
    config = config.model_copy(update={"timm": look_up(config)})
    features = build_backbone(config)
    assert load_weights(features, config, None).startswith("timm ")
    expected, found = load_file(downloaded / "model.safetensors"), features.state_dict()
    assert found["network.pos_embed"].shape == (1, 2 + 16 * 16, 96)
    assert all(torch.equal(found[name], expected[name.removeprefix("network.")]) for name in found)


def test_a_pinned_network_is_built_without_looking_its_name_up(downloaded: Path) -> None:
    config = Config.model_validate({"model": {"features": {"backbone": f"timm:local-dir:{downloaded}"}}})
    features = config.model.features
    pinned = features.model_copy(update={"timm": look_up(features)})
    for path in downloaded.iterdir():
        path.unlink()
    assert build_backbone(FeaturesConfig.model_validate_json(pinned.model_dump_json())).channels == 4 * 96


def test_a_name_that_nobody_looked_up_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"resolve"):
        HaloAE(Config.model_validate({"model": {"features": {"backbone": CNN}}}).model, TILE)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["backbone=resnet50"], "timm:NAME"),
        (["backbone='timm:'"], "timm:NAME"),
        (["stages=[1]"], "stages applies only to a backbone timm:NAME, not to vgg19"),
        (["arguments={a: 1}"], "arguments applies only to a backbone timm:NAME"),
        ([f"backbone={CNN}", "stages=[]"], "stages"),
        ([f"backbone={CNN}", "stages=[-1]"], "stages"),
        ([f"backbone={CNN}", "stages=[2, 1]"], "rising order"),
        ([f"backbone={CNN}", "stages=[1, 1]"], "rising order"),
        ([f"backbone={CNN}", "alignment=released"], "alignment=aligned"),
        ([f"backbone={CNN}", "arguments={pretrained: true}"], "pretrained does not describe a network"),
        ([f"backbone={CNN}", "arguments={checkpoint_path: a.pt}"], "checkpoint_path does not describe"),
        ([f"backbone={CNN}", "arguments={a: {b: 1}}"], "arguments"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(settings: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_config(None, [f"model.features.{setting}" for setting in settings])


def test_a_tile_with_too_few_tokens_is_refused_with_both_remedies() -> None:
    coarse = resolved(VIT, arguments=SMALL_PATCH)
    assert check_tile_size(coarse, 96) == 96
    with pytest.raises(ConfigError, match=r"at least 96, is needed .*Use tiles of 96 pixels\.$"):
        check_tile_size(coarse, 80)
    halved = coarse.model_copy(update={"input_downsample": 2})
    with pytest.raises(
        ConfigError, match=r"at least 176, .*Use tiles of 176 pixels, or set model.input_downsample=1\.$"
    ):
        check_tile_size(halved, 160)


def test_a_network_that_never_has_enough_cells_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"10 x 10 cells per tile, whatever its size.*model\.features\.stages"):
        check_tile_size(resolved(MAXVIT, stages=[3]), 256)
