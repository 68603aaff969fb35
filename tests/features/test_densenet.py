"""Block B of DenseNet-121 against torchvision's, its layers and grids, and the ways in which weights come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import DenseNet121_Weights, densenet121

from tests.data_paths import real_data
from tests.model.tiny import TINY
from wsi_haloae.config import Config, FeaturesConfig, ModelConfig, load_config
from wsi_haloae.errors import ConfigError, UsageError
from wsi_haloae.features.backbones import build_backbone, load_weights
from wsi_haloae.features.densenet import DenseNetFeatures
from wsi_haloae.features.grid import map_size
from wsi_haloae.features.resolve import resolve
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.model.haloae import HaloAE, check_tile_size

pytestmark = pytest.mark.usefixtures("no_network")
ALL = ("pool0", "denseblock1", "transition1.conv", "denseblock2", "transition2.conv", "denseblock3", "transition3.conv")
SETTING = "model.features.backbone=densenet121"


def config_of(*layers: str, **settings: Any) -> FeaturesConfig:
    return FeaturesConfig(backbone="densenet121", layers=layers or None, **settings)


def features_of(*layers: str) -> DenseNetFeatures:
    found = build_backbone(config_of(*layers))
    assert isinstance(found, DenseNetFeatures)
    return found


def unsettle(network: nn.Module) -> None:
    """Statistics that differ from channel to channel, some weights of a batch norm 0 or below."""
    torch.manual_seed(1)
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.5, 0.5)
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(-0.2, 1.5)
                part.weight[::7] = 0
                part.bias.uniform_(-0.5, 0.5)


@pytest.fixture(scope="module")
def pair() -> tuple[DenseNetFeatures, nn.Sequential]:
    """Ours with all layers, and torchvision's with the same weights."""
    theirs = densenet121(weights=None).features.eval()
    unsettle(theirs)
    ours = features_of(*ALL)
    state = {f"features.{name}": tensor for name, tensor in theirs.state_dict().items()}
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    return ours, theirs


def test_the_layers_are_torchvisions_on_one_grid(pair: tuple[DenseNetFeatures, nn.Sequential]) -> None:
    ours, theirs = pair
    found: dict[str, Tensor] = {}
    for name in ALL:
        theirs.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        theirs(images)
    layers = split_layers(ours(images), ours.layer_channels)
    assert ours.layers == ALL
    for name, layer in zip(ALL, layers, strict=True):
        theirs_here = F.interpolate(found[name], size=(16, 16), mode="bilinear", align_corners=False)
        torch.testing.assert_close(layer, theirs_here, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "size", "channels", "cells"),
    [
        ((), 64, 896, 16),
        ((), 96, 896, 24),
        (("denseblock1", "denseblock2", "denseblock3"), 64, 1792, 16),
        (("transition2.conv", "denseblock3"), 64, 1280, 8),
        (("denseblock3",), 96, 1024, 6),
    ],
)
def test_the_grid_is_that_of_the_finest_layer(layers: tuple[str, ...], size: int, channels: int, cells: int) -> None:
    ours = features_of(*layers)
    found = ours(torch.randn(1, 3, size, size))
    assert found.shape == (1, channels, cells, cells)
    assert (ours.channels, map_size(config_of(*layers), size)) == (channels, cells)


def test_nothing_behind_the_last_layer_is_kept() -> None:
    names = {name.split(".")[1] for name in features_of("denseblock1").state_dict()}
    assert names == {"conv0", "norm0", "denseblock1"}


def test_a_shifted_image_gives_shifted_features() -> None:
    """Cells that the border of neither image reaches: a cell of the first block sees 30 pixels around it."""
    ours = features_of("pool0", "denseblock1", "transition1.conv")
    images = torch.randn(1, 3, 144, 144)
    found, shifted = ours(images[..., :128, :128]), ours(images[..., 16:, 16:])
    torch.testing.assert_close(found[..., 12:24, 12:24], shifted[..., 8:20, 8:20], rtol=1e-4, atol=1e-4)


def test_random_weights_depend_on_their_seed_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = features_of("pool0").state_dict()
    assert torch.equal(torch.rand(1), expected), "the global generator was used"
    other = build_backbone(config_of("pool0", random_seed=1)).state_dict()
    assert torch.equal(first["features.conv0.weight"], features_of("pool0").state_dict()["features.conv0.weight"])
    assert not torch.equal(first["features.conv0.weight"], other["features.conv0.weight"])


def test_a_checkpoint_is_loaded_without_memory_first() -> None:
    """As `Checkpoint.load` does: built on ``meta``, then the stored tensors assigned."""
    stored = features_of("transition1.conv")
    with torch.device("meta"):
        loaded = features_of("transition1.conv")
    loaded.load_state_dict(stored.state_dict(), strict=True, assign=True)
    loaded.leave_meta()
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images), stored(images))


def test_half_precision_without_batch_counts_is_taken_over_and_computed_in_single(tmp_path: Path) -> None:
    state = features_of("denseblock1").state_dict()
    theirs = {name: tensor.half() for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    save_file(theirs, tmp_path / "w.safetensors")
    ours = features_of("denseblock1")
    assert load_weights(ours, config_of(), tmp_path / "w.safetensors") == "w.safetensors"
    state = ours.state_dict()
    assert state["features.conv0.weight"].dtype == torch.float32
    assert torch.equal(state["features.conv0.weight"], theirs["features.conv0.weight"].float())


def test_the_shared_weights_fit_and_their_eps_does_not_matter() -> None:
    """They come from a network with eps 1.001e-5 in its batch norms, and torchvision's has 1e-5."""
    ours = features_of()
    load_weights(ours, config_of(), real_data("../weights/densenet121_features.safetensors"))
    images = torch.randn(1, 3, 96, 96)
    as_torchvision = ours(images)
    for part in ours.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 1.001e-5
    theirs = ours(images)
    assert float((as_torchvision - theirs).abs().max() / theirs.abs().max()) < 1e-5


def test_weights_of_a_vgg_are_refused(tmp_path: Path) -> None:
    save_file(build_backbone(FeaturesConfig()).state_dict(), tmp_path / "vgg19.safetensors")
    with pytest.raises(UsageError, match=r"vgg19\.safetensors: .* do not fit densenet121: .* are missing"):
        load_weights(features_of(), config_of(), tmp_path / "vgg19.safetensors")


def test_without_network_the_message_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(DenseNet121_Weights, "get_state_dict", fail)
    with pytest.raises(UsageError, match=r"(?s)densenet121: .*no network.*densenet121-\w+\.pth.*--weights FILE"):
        load_weights(features_of("pool0"), config_of(), None)


def test_weights_from_torchvision_are_taken_over_though_their_names_are_older(monkeypatch: pytest.MonkeyPatch) -> None:
    published = {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12])", r"\1.\2", name): torch.full_like(tensor, 0.5)
        for name, tensor in densenet121(weights=None).state_dict().items()
        if tensor.is_floating_point()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in published
    monkeypatch.setattr(DenseNet121_Weights, "get_state_dict", lambda *_args, **_kwargs: published)
    ours = features_of("denseblock1")
    assert load_weights(ours, config_of(), None) == "torchvision DenseNet121_Weights.IMAGENET1K_V1"
    assert all(bool((tensor == 0.5).all()) for tensor in ours.state_dict().values() if tensor.is_floating_point())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ([SETTING, "model.features.layers=[denseblok2]"], "no layer denseblok2; did you mean denseblock2"),
        ([SETTING, "model.features.layers=[relu3_1]"], r"no layer relu3_1; Its layers: pool0, denseblock1"),
        ([SETTING, "model.features.layers=[denseblock2, denseblock1]"], r"order: \[denseblock1, denseblock2\]"),
        ([SETTING, "model.features.layers=[pool0, pool0]"], r"each once.*: \[pool0\]"),
        ([SETTING, "model.features.layers=[]"], "at least 1"),
        ([SETTING, "model.features.alignment=released"], "does not apply to densenet121"),
        ([SETTING, "model.features.stages=[1]"], "applies only to a backbone timm:NAME"),
        (["model.features.layers=[relu4_1]"], "vgg19 has no layer relu4_1; did you mean relu"),
        (["model.features.backbone=timm:x", "model.features.layers=[pool0]"], r"chosen by model\.features\.stages"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(settings: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_config("haloae", settings)


def test_widths_of_a_preset_made_for_vgg19_follow_the_channels() -> None:
    suited = resolve(load_config("haloae-small", [SETTING]))
    assert suited.model.autoencoder.head_width == round(72 * (896 / 704) ** 0.5)
    assert resolve(suited) == suited


def test_tiles_must_divide_into_cells_of_the_coarsest_layer() -> None:
    config = ModelConfig.model_validate({**TINY, "features": {"backbone": "densenet121"}})
    assert check_tile_size(config, 64) == 64
    halved = config.model_copy(update={"input_downsample": 2})
    assert check_tile_size(halved, 224) == 224
    with pytest.raises(ConfigError, match="tile size 240 was given, but a multiple of 32"):
        check_tile_size(halved, 240)


def test_features_have_a_sign() -> None:
    assert config_of(standardise=False).signed


def test_the_whole_model_takes_them() -> None:
    given = {"backbone": "densenet121", "layers": ["pool0", "denseblock1"]}
    net = HaloAE(Config.model_validate({"model": {**TINY, "features": given}}).model, 64)
    out = net(torch.randn(1, 3, 64, 64))
    assert out.reconstruction.shape == out.features.shape == (1, 320, 16, 16)
