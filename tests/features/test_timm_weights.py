"""Weights for features of timm: from a file with timm's keys, or from timm, or an error that names the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.features.timm_models import CNN, SMALL_PATCH, VIT, features_of
from wsi_haloae.errors import UsageError
from wsi_haloae.features.backbones import build_backbone, load_weights

pytestmark = pytest.mark.usefixtures("no_network")
CREATE = timm.create_model


@pytest.mark.parametrize(("backbone", "arguments"), [(CNN, {}), (VIT, SMALL_PATCH)])
def test_a_file_with_timms_own_keys_is_taken_over(backbone: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(7)
    theirs = CREATE(backbone.removeprefix("timm:"), **arguments).state_dict()
    save_file(theirs, tmp_path / "w.safetensors")
    features, config = features_of(backbone, arguments=arguments, weights="pretrained")
    assert load_weights(features, config, tmp_path / "w.safetensors") == "w.safetensors"
    state = features.network.state_dict()
    assert state.keys() < theirs.keys()  # the classifier and what lies behind the last stage are cut off
    assert all(torch.equal(state[name], theirs[name]) for name in state)


def test_a_file_in_half_precision_becomes_single(tmp_path: Path) -> None:
    theirs = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in
              CREATE("test_resnet").state_dict().items()}  # fmt: skip
    save_file(theirs, tmp_path / "w.safetensors")
    features, config = features_of(CNN, weights="pretrained")
    load_weights(features, config, tmp_path / "w.safetensors")
    assert {tensor.dtype for tensor in features.state_dict().values()} == {torch.float32, torch.int64}


def test_weights_of_another_network_are_refused_by_the_first_that_is_missing(tmp_path: Path) -> None:
    save_file(CREATE("test_convnext").state_dict(), tmp_path / "w.safetensors")
    features, config = features_of(CNN, weights="pretrained")
    with pytest.raises(UsageError, match=r"w\.safetensors: .* do not fit timm:test_resnet: bn1\.bias.*timm's keys"):
        load_weights(features, config, tmp_path / "w.safetensors")


def test_published_weights_are_taken_over_and_named_with_their_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded into the whole network, classifier included: only so does timm refuse weights that lack something."""
    asked = {}

    def publish(name: str, **settings: Any) -> torch.nn.Module:
        asked.update(name=name, **settings)
        network = CREATE(name, **{**settings, "pretrained": False})
        for parameter in network.parameters():
            torch.nn.init.constant_(parameter, 0.25)
        return network

    features, config = features_of(CNN, weights="pretrained")
    monkeypatch.setattr(timm, "create_model", publish)
    source = load_weights(features, config, None)
    assert asked == {"name": "test_resnet", "pretrained": True}
    assert source == "timm timm/test_resnet.r160_in1k (licence: apache-2.0)"
    assert all(bool((parameter == 0.25).all()) for parameter in features.parameters())


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("No pretrained weights exist")])
def test_weights_that_cannot_be_had_name_the_way_out(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_settings: object) -> None:
        raise error

    features, config = features_of(CNN, weights="pretrained")
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(UsageError, match=rf"{CNN}: .*\({error}\).*--weights FILE\.safetensors"):
        load_weights(features, config, None)


def test_random_weights_are_said_to_be_random_and_exclude_a_file(tmp_path: Path) -> None:
    features, config = features_of(CNN)
    assert load_weights(features, config, None) == "random weights, fixed seed"
    with pytest.raises(UsageError, match=r"--weights .*model\.features\.weights is random"):
        load_weights(features, config, tmp_path / "w.safetensors")


def test_a_vgg_can_have_random_weights_too() -> None:
    from wsi_haloae.config import FeaturesConfig

    config = FeaturesConfig(backbone="vgg16", weights="random")
    one, other = build_backbone(config).state_dict(), build_backbone(config).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert load_weights(build_backbone(config), config, None) == "random weights, fixed seed"
