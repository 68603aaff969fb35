"""Block B from timm: against timm's own feature extractors, on one grid, frozen, and the same after a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.features.timm_models import (
    CNN,
    CONVNEXT,
    MAXVIT,
    SMALL_PATCH,
    SMALL_SWIN,
    SWIN,
    TILE,
    VIT,
    features_of,
    resolved,
)
from wsi_haloae.config import Config, FeaturesConfig, TimmNetwork
from wsi_haloae.features.grid import input_size, map_size
from wsi_haloae.features.preprocessing import IMAGENET_MEAN, IMAGENET_STD, denormalise, renormalise
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.scoring.scorer import Scorer

pytestmark = pytest.mark.usefixtures("no_network")

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "residual": (CNN, {}),
    "convnext": (CONVNEXT, {}),
    "fixed size": (MAXVIT, {}),
    "swin": (SWIN, {"arguments": SMALL_SWIN}),
    "plain transformer": (VIT, {"arguments": SMALL_PATCH}),
}
EXPECTED = {  # cells at 96 pixels, and channels of each layer
    "residual": (24, (32, 48, 192)),
    "convnext": (24, (24, 32, 48)),
    "fixed size": (24, (32, 64, 96)),
    "swin": (24, (12, 24, 48)),
    "plain transformer": (12, (96, 96, 96, 96)),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_kind_of_network_gives_its_layers_on_one_grid(kind: str) -> None:
    backbone, settings = NETWORKS[kind]
    features, config = features_of(backbone, **settings)
    cells, widths = EXPECTED[kind]
    assert features.layer_channels == widths
    assert features.channels == sum(widths)
    assert len(set(features.layers)) == len(widths)
    assert map_size(config, TILE) == cells
    assert features(torch.randn(2, 3, TILE, TILE)).shape == (2, sum(widths), cells, cells)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_networks_of_their_published_size_work_too(name: str) -> None:
    features, config = features_of(f"timm:{name}")
    cells = map_size(config, 64)
    assert cells == (16 if name == "resnet18" else 4)
    found = features(torch.randn(1, 3, 64, 64))
    assert found.shape == (1, features.channels, cells, cells)
    assert bool(found.isfinite().all())


def their_images(images: Tensor) -> Tensor:
    """What the networks want whose published mean and deviation are 0.5."""
    return (denormalise(images) - 0.5) / 0.5


def test_stages_of_a_pyramid_equal_timms_own_extractor_pooled_and_enlarged() -> None:
    features, _ = features_of(CNN, stages=[0, 1, 3])
    theirs = timm.create_model("test_resnet", features_only=True, out_indices=(0, 1, 3)).eval()
    theirs.load_state_dict(features.network.state_dict(), strict=False)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        fine, same, coarse = theirs(their_images(images))
    assert (fine.shape[-1], same.shape[-1], coarse.shape[-1]) == (32, 16, 4)
    found = split_layers(features(images), features.layer_channels)
    torch.testing.assert_close(found[0], F.avg_pool2d(fine, 2))
    torch.testing.assert_close(found[1], same)
    torch.testing.assert_close(found[2], F.interpolate(coarse, scale_factor=4, mode="bilinear"))


def test_depths_of_a_transformer_equal_timms_own_intermediate_layers_with_the_last_norm() -> None:
    features, _ = features_of(VIT, stages=[1, 4])
    theirs = timm.create_model("test_vit3", dynamic_img_size=True).eval()
    theirs.load_state_dict(features.network.state_dict(), strict=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.get_intermediate_layers(their_images(images), n=[1, 4], reshape=True, norm=True)
    for found, wanted in zip(split_layers(features(images), features.layer_channels), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("backbone", [CNN, CONVNEXT])
def test_shifting_the_image_by_a_coarse_cell_shifts_the_map_by_as_much(backbone: str) -> None:
    features, config = features_of(backbone)
    images = torch.randn(1, 3, 256, 256)
    shifted = images.roll((16, 16), dims=(-2, -1))
    one, other = features(images), features(shifted)
    assert map_size(config, 256) == 64
    inner = slice(24, 40)  # as far from borders and seam as these networks see
    torch.testing.assert_close(other[..., 28:44, 28:44], one[..., inner, inner], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(other[..., inner, inner], one[..., inner, inner], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_change_of_the_image_shows_where_it_was_made_in_every_layer(kind: str) -> None:
    """A 16-pixel square; the layer's strongest change lies in it, or in the coarse cell next to it."""
    backbone, settings = NETWORKS[kind]
    features, config = features_of(backbone, **settings)
    images = torch.randn(1, 3, TILE, TILE)
    changed = images.clone()
    changed[..., 32:48, 64:80] += 2
    difference = (features(changed) - features(images)).square()
    cell = TILE / map_size(config, TILE)
    for layer in split_layers(difference, features.layer_channels):
        row, column = np.unravel_index(int(layer.mean(dim=1).argmax()), layer.shape[-2:])
        assert 16 <= (row + 0.5) * cell <= 64
        assert 48 <= (column + 0.5) * cell <= 96


def test_a_network_with_imagenets_mean_gets_the_images_untouched() -> None:
    images = torch.randn(1, 3, 8, 8)
    assert renormalise(images, IMAGENET_MEAN, IMAGENET_STD) is images
    torch.testing.assert_close(renormalise(images, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), denormalise(images))


@pytest.mark.parametrize(
    ("backbone", "arguments", "seen"), [(MAXVIT, {}, 160), (VIT, {"patch_size": 14}, 98), (VIT, {"patch_size": 8}, 96)]
)
def test_the_network_sees_a_size_that_it_can_take(backbone: str, arguments: dict[str, int], seen: int) -> None:
    features, _ = features_of(backbone, arguments=arguments)
    sizes = []
    convolution = next(module for module in features.modules() if isinstance(module, torch.nn.Conv2d))
    convolution.register_forward_pre_hook(lambda _module, given: sizes.append(given[0].shape[-1]))
    features(torch.randn(1, 3, TILE, TILE))
    # MaxViT's stem pads before it convolves.
    assert sizes in ([seen], [seen + 1])


NETWORK = {"architecture": "x", "arguments": {}, "mean": (0.5,) * 3, "std": (0.5,) * 3}


@pytest.mark.parametrize(
    ("reductions", "fixed", "image", "seen", "cells"),
    [
        ((16,), None, 256, 256, 16),
        ((14,), None, 256, 252, 18),
        ((14,), None, 224, 224, 16),
        ((4, 8, 16), None, 256, 256, 64),
        ((4, 8, 16), None, 100, 96, 24),
        ((2, 4), None, 64, 64, 16),
        ((4,), 224, 256, 224, 56),
        ((4,), 224, 128, 224, 32),
        ((32,), None, 8, 32, 1),
    ],
)
def test_the_grid_is_the_finest_stages_but_no_finer_than_four_pixels(
    reductions: tuple[int, ...], fixed: int | None, image: int, seen: int, cells: int
) -> None:
    several = {"stages": tuple(range(len(reductions))), "channels": reductions, "reductions": reductions}
    network = TimmNetwork.model_validate({**NETWORK, **several, "fixed_size": fixed})
    assert input_size(network, image) == seen
    assert map_size(FeaturesConfig(backbone="timm:x", timm=network), image) == cells


def test_features_stay_frozen_and_in_evaluation_mode_while_the_rest_trains() -> None:
    net = HaloAE(resolved(CNN), TILE).train()
    before = {name: tensor.clone() for name, tensor in net.backbone.state_dict().items()}
    assert any("running_mean" in name for name in before)
    out = net(torch.randn(2, 3, TILE, TILE))
    out.image.square().mean().backward()
    assert not any(module.training for module in net.backbone.modules())
    assert net.encoder.training
    assert all(parameter.grad is None for parameter in net.backbone.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.backbone.state_dict().items())
    assert net.encoder.head[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["residual", "plain transformer"])
def test_every_output_of_the_model_has_its_size(kind: str) -> None:
    backbone, settings = NETWORKS[kind]
    net = HaloAE(resolved(backbone, **settings), TILE)
    out = net(torch.randn(2, 3, TILE, TILE))
    cells, widths = EXPECTED[kind]
    assert net.map_size == cells
    assert out.features.shape == out.reconstruction.shape == (2, sum(widths), cells, cells)
    assert out.image.shape == (2, 3, TILE, TILE)


def test_random_weights_depend_on_their_seed_alone_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    first = features_of(CNN)[0].state_dict()
    following = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(following, torch.rand(1))
    torch.manual_seed(2)
    second, other = features_of(CNN)[0].state_dict(), features_of(CNN, random_seed=1)[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["network.conv1.0.weight"], other["network.conv1.0.weight"])


def checkpoint(kind: str) -> Checkpoint:
    backbone, settings = NETWORKS[kind]
    config = Config(model=resolved(backbone, **settings))
    torch.manual_seed(0)
    net = HaloAE(config.model, TILE).eval()
    facts = CheckpointFacts(
        config=config, tile_size=TILE, mpp=0.5, display_range=(0.0, 1.0), backbone_source="random", training={}
    )
    m = net.map_size
    return Checkpoint(facts, net, torch.rand(m, m), torch.rand(net.backbone.channels) + 0.5, torch.rand(m, m))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_checkpoint_scores_the_same_and_asks_timm_for_no_weights(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swin keeps position indices outside its weights: they are there again after loading."""
    before = checkpoint(kind)
    before.save(tmp_path / "model.safetensors")
    create, asked = timm.create_model, []

    def watch(name: str, *args: Any, **settings: Any) -> object:
        asked.append((name, settings.get("pretrained")))
        return create(name, *args, **settings)

    monkeypatch.setattr(timm, "create_model", watch)
    after = Checkpoint.load(tmp_path / "model.safetensors")
    assert asked
    assert all(name == NETWORKS[kind][0].removeprefix("timm:") and pretrained is False for name, pretrained in asked)
    assert not any(tensor.is_meta for tensor in (*after.model.buffers(), *after.model.parameters()))
    assert not any(parameter.requires_grad for parameter in after.model.backbone.parameters())
    tiles = np.random.default_rng(0).integers(0, 256, (3, TILE, TILE, 3), dtype=np.uint8)
    one, other = (Scorer(each, torch.device("cpu"), 2).score(tiles, keep_maps=True) for each in (before, after))
    for name in ("score", "score_paper", "layer_residuals", "anomaly_map"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert after.model.backbone.layers == before.model.backbone.layers


def test_a_network_that_shares_weights_can_be_saved(tmp_path: Path) -> None:
    before = checkpoint("residual")
    before.model.encoder.stages[0].body[1].bias = before.model.encoder.stages[0].body[1].weight
    before.save(tmp_path / "model.safetensors")
    state = Checkpoint.load(tmp_path / "model.safetensors").model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in before.model.state_dict().items())
