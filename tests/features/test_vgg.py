"""Block B against torchvision's VGG, and the ways in which its weights can be missing."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torchvision.models import VGG16_Weights, VGG19_Weights, vgg16, vgg19

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.features.vgg import MultiScaleFeatures, load_backbone_weights, split_layers


def features(**config: object) -> MultiScaleFeatures:
    return MultiScaleFeatures(FeaturesConfig(**config))


@pytest.fixture(scope="module", params=["vgg19", "vgg16"])
def pair(request: pytest.FixtureRequest) -> tuple[MultiScaleFeatures, nn.Sequential, tuple[int, ...]]:
    """Ours and torchvision's (reflect padding), with the same random weights; the tapped positions there."""
    torch.manual_seed(0)
    network, last = (vgg19, 17) if request.param == "vgg19" else (vgg16, 15)
    with torch.device("meta"):  # the classifier's 120 million weights are not needed
        theirs = network().features
    theirs = theirs[: last + 1].to_empty(device="cpu")
    for module in theirs:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias)
            module.padding_mode = "reflect"
    ours = features(backbone=request.param)
    ours.load_state_dict({f"features.{key}": value for key, value in theirs.state_dict().items()})
    return ours, theirs, (1, 6, 11, last)


def test_keys_are_those_of_torchvision(pair: tuple[MultiScaleFeatures, nn.Sequential, tuple[int, ...]]) -> None:
    ours, theirs, _ = pair
    assert list(ours.state_dict()) == [f"features.{key}" for key in theirs.state_dict()]


def test_tapped_layers_equal_torchvision_after_average_pooling(
    pair: tuple[MultiScaleFeatures, nn.Sequential, tuple[int, ...]],
) -> None:
    ours, theirs, taps = pair
    x = torch.randn(2, 3, 32, 48)
    expected, y = [], x
    with torch.no_grad():
        for position, module in enumerate(theirs):
            y = (
                F.conv2d(F.pad(y, (1, 1, 1, 1), "reflect"), module.weight, module.bias)
                if position in {0}
                else module(y)
            )
            if position in taps:
                expected.append(y.unflatten(-2, (8, -1)).unflatten(-1, (12, -1)).mean(dim=(-3, -1)))
    assert ours.channels == 704
    assert ours.layer_channels == (64, 128, 256, 256)
    found = ours(x)
    assert found.shape == (2, 704, 8, 12)
    for layer, wanted in zip(split_layers(found, ours.layer_channels), expected, strict=True):
        torch.testing.assert_close(layer, wanted, rtol=1e-5, atol=1e-5)


def test_layers_are_named_as_in_the_paper() -> None:
    assert features(backbone="vgg19").layers == ("relu1_1", "relu2_1", "relu3_1", "relu3_4")
    assert features(backbone="vgg16").layers == ("relu1_1", "relu2_1", "relu3_1", "relu3_3")


def test_chosen_layers_are_those_of_the_same_network() -> None:
    whole, some = features(backbone="random"), features(backbone="random", layers=("relu1_1", "relu2_2", "relu3_1"))
    assert (some.layers, some.layer_channels) == (("relu1_1", "relu2_2", "relu3_1"), (16, 32, 64))
    assert len(some.features) < len(whole.features)
    images = torch.randn(1, 3, 32, 32)
    found, expected = (split_layers(net(images), net.layer_channels) for net in (some, whole))
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[2], expected[2])
    assert not torch.equal(found[1], expected[1])


def test_released_alignment_is_the_padded_map_resized_in_every_layer_but_the_last() -> None:
    aligned, released = (features(backbone="random", alignment=how) for how in ("aligned", "released"))
    x = torch.randn(1, 3, 64, 64)
    last = aligned.layer_channels[-1]
    a, r = aligned(x), released(x)
    torch.testing.assert_close(a[:, -last:], r[:, -last:], rtol=0, atol=0)
    for layer, other in zip(*(split_layers(y[:, :-last], aligned.layer_channels[:-1]) for y in (a, r)), strict=True):
        assert not torch.allclose(layer, other)
    # relu3_1 is not pooled: 18 padded cells averaged to 16 are cells i and i + 1 of the padded map.
    third = split_layers(a, aligned.layer_channels)[2]
    padded = F.pad(third, (1, 1, 1, 1), "reflect")
    expected = F.adaptive_avg_pool2d(padded, 16)
    torch.testing.assert_close(split_layers(r, aligned.layer_channels)[2], expected)


def test_released_alignment_shifts_features_outwards_by_up_to_a_cell() -> None:
    """A ramp comes back steeper towards both ends; aligned, it comes back as it is."""
    ramp = torch.arange(66.0).expand(1, 1, 66, 66)[..., 1:-1, 1:-1]
    from wsi_haloae.features.vgg import _bring_together

    shift = _bring_together(ramp, 1, padded=True) - _bring_together(ramp, 1, padded=False)
    row = shift[0, 0, 30, 1:-1]
    assert row[0] < -0.3
    assert row[-1] > 0.3
    assert shift.abs().max() <= 1
    torch.testing.assert_close(_bring_together(ramp, 1, padded=False), ramp)


def test_random_backbone_depends_on_its_seed_alone() -> None:
    torch.manual_seed(1)
    first = features(backbone="random").state_dict()
    torch.manual_seed(2)
    second = features(backbone="random").state_dict()
    other = features(backbone="random", random_seed=1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])
    assert load_backbone_weights(features(backbone="random"), "random", None) == "random weights, fixed seed"


def test_random_backbone_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with torch.device("meta"):  # the construction of any layer draws numbers, but not here
        features(backbone="random")
    assert torch.equal(torch.rand(1), expected)


def test_random_width_narrows_every_layer() -> None:
    assert features(backbone="random", random_width=0.125).layer_channels == (8, 16, 32, 32)


def test_layers_are_cut_back_where_they_were_joined() -> None:
    x = torch.arange(6.0).view(1, 6)
    assert [layer.tolist() for layer in split_layers(x, (1, 3, 2))] == [[[0.0]], [[1.0, 2.0, 3.0]], [[4.0, 5.0]]]


def test_weights_from_a_file_are_taken_over(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {key: torch.randn_like(value) for key, value in features().state_dict().items()}
    save_file({**state, "features.28.weight": torch.zeros(1)}, tmp_path / "vgg19.safetensors")
    ours = features()
    assert load_backbone_weights(ours, "vgg19", tmp_path / "vgg19.safetensors") == "vgg19.safetensors"
    assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())


def test_weights_that_lack_a_layer_are_refused_by_its_name(tmp_path: Path) -> None:
    state = features().state_dict()
    del state["features.16.weight"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(UsageError, match=r"short\.safetensors.*features\.16\.weight"):
        load_backbone_weights(features(), "vgg19", tmp_path / "short.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file(features(backbone="vgg16").state_dict(), tmp_path / "vgg16.safetensors")
    with pytest.raises(UsageError, match="do not fit vgg19"):
        load_backbone_weights(features(), "vgg19", tmp_path / "vgg16.safetensors")


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", pickle.dumps({"features.0.weight": 1})])
def test_a_file_that_is_no_safetensors_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(UsageError, match="safetensors"):
        load_backbone_weights(features(), "vgg19", tmp_path / "weights.pth")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights .*absent"):
        load_backbone_weights(features(), "vgg19", tmp_path / "absent.safetensors")


@pytest.mark.parametrize(("backbone", "weights"), [("vgg19", VGG19_Weights), ("vgg16", VGG16_Weights)])
def test_without_network_the_message_names_the_way_out(
    backbone: str, weights: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(weights, "get_state_dict", fail)
    with pytest.raises(UsageError, match=f"(?s){backbone}.*no network.*--weights") as caught:
        load_backbone_weights(features(backbone=backbone), backbone, None)
    assert re.search(
        rf"download https://\S+/{backbone}-\w+\.pth, and put that file here into \S+/checkpoints\.", str(caught.value)
    )


@pytest.mark.parametrize(("backbone", "weights"), [("vgg19", VGG19_Weights), ("vgg16", VGG16_Weights)])
def test_weights_from_torchvision_are_taken_over(backbone: str, weights: type, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {key: torch.full_like(value, 0.5) for key, value in features(backbone=backbone).state_dict().items()}
    monkeypatch.setattr(weights, "get_state_dict", lambda *_args, **_kwargs: state)
    ours = features(backbone=backbone)
    assert "torchvision" in load_backbone_weights(ours, backbone, None)
    assert all(bool((value == 0.5).all()) for value in ours.state_dict().values())
