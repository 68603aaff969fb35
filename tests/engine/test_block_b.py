"""The engine's DenseNet against the plain one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.features.test_densenet import unsettle
from tests.model.tiny import TINY
from wsi_haloae.config import ModelConfig
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.model.haloae import HaloAE

CPU = torch.device("cpu")
LAYERS = (None, ["denseblock1", "denseblock2"], ["pool0", "transition1.conv"])


def densenet(layers: list[str] | None) -> HaloAE:
    given = {"backbone": "densenet121", "layers": layers}
    net = HaloAE(ModelConfig.model_validate({**TINY, "features": given}), 64).eval()
    unsettle(net.backbone)
    return net


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("layers", LAYERS)
def test_features_are_the_same_and_no_batch_norm_is_left(layers: list[str] | None) -> None:
    net = densenet(layers)
    engine = InferenceModel(net, CPU)
    images = torch.randn(2, 3, 64, 64)
    assert relative(engine.features(images), net.features(images)) < 1e-5
    assert not any(isinstance(part, nn.BatchNorm2d) for part in engine.backbone.modules())


@torch.no_grad()
def test_features_are_close_in_bfloat16() -> None:
    net = densenet(None)
    images = torch.randn(2, 3, 64, 64)
    half = InferenceModel(net, CPU, torch.bfloat16).features(images)
    assert half.dtype == torch.float32
    assert 1e-5 < relative(half, net.features(images)) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_given_model_keeps_its_weights(dtype: torch.dtype) -> None:
    net = densenet(["denseblock1"])
    before = copy.deepcopy(net.backbone.state_dict())
    InferenceModel(net, CPU, dtype)
    after = net.backbone.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(conv.dilation != (1, 1) for conv in net.backbone.modules() if isinstance(conv, nn.Conv2d))
