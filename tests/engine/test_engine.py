"""The engine's model against the plain one: same maps for every variant, size, block, halo and number of heads."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.model.tiny import EVERY_INGREDIENT, TILE, tiny_checkpoint
from tests.model.variants import VARIANTS, features_of, model
from wsi_haloae.config import AttentionConfig, load_config
from wsi_haloae.engine.attention import OUTSIDE, FusedHaloAttention, attend_fused, attend_in_pieces
from wsi_haloae.engine.convolution import WIDTH_UNIT, filled_up, folded
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.model.halo_attention import HaloAttention, largest_radius
from wsi_haloae.model.haloae import HaloAE

CPU = torch.device("cpu")


def unsettled(net: HaloAE) -> HaloAE:
    """With statistics and biases that differ from channel to channel, as after training."""
    torch.manual_seed(1)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.5, 0.5)
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(0.5, 1.5)
                part.bias.uniform_(-0.5, 0.5)
            elif isinstance(part, nn.Conv2d) and part.bias is not None and part.bias.requires_grad:
                part.bias.uniform_(-0.5, 0.5)
    return net.eval()


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tile_size", [TILE, 80])
def test_every_variant_gives_the_same_features_and_reconstruction(variant: str, tile_size: int) -> None:
    net = unsettled(model(variant, tile_size))
    engine = InferenceModel(net, CPU)
    images = torch.randn(2, 3, net.image_size, net.image_size)
    features = net.features(images)
    assert relative(engine.features(images), features) < 1e-5
    assert relative(engine.reconstruct(features), net.reconstruct(features)) < 1e-4
    for one, other in zip(engine.decode(features), net.decode(features), strict=True):
        assert relative(one, other) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize(
    "changes",
    [
        {"map_size": "stretch60"},
        {"attention": {"block_size": 5, "halo_size": 1, "dim_head": 4, "mask": "released"}},
        {"features": {"backbone": "random", "random_width": 0.2}},  # a number of channels that is no multiple of 8
        *({name: change} for name, change in EVERY_INGREDIENT.items()),
        EVERY_INGREDIENT,
    ],
    ids=["stretch60", "released mask", "odd channels", *EVERY_INGREDIENT, "every ingredient"],
)
def test_other_forms_give_the_same_too(changes: dict[str, Any]) -> None:
    net = unsettled(model("halo", **changes))
    features = features_of(net) + torch.randn(2, net.backbone.channels, 1, 1)  # tiles that differ
    assert relative(InferenceModel(net, CPU).reconstruct(features), net.reconstruct(features)) < 1e-4


@torch.no_grad()
@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    height=st.integers(1, 19),
    width=st.integers(1, 19),
    block=st.integers(1, 8),
    halo=st.integers(0, 3),
    heads=st.integers(1, 4),
    dim_head=st.integers(1, 9),
    radius=st.integers(0, 4),
)
def test_attention_is_the_same_at_any_size(
    height: int, width: int, block: int, halo: int, heads: int, dim_head: int, radius: int
) -> None:
    torch.manual_seed(0)
    seen = min(radius, max(largest_radius(cells, block, halo) for cells in (height, width)))
    config = AttentionConfig(block_size=block, halo_size=halo, dim_head=dim_head, mask_neighbours=seen)
    plain = HaloAttention(6, heads, config)
    x = torch.randn(2, 6, height, width)
    filled = torch.cat((x, torch.zeros(2, 2, height, width)), dim=1)
    fused = FusedHaloAttention(plain)(filled)
    assert relative(fused[:, :6], plain(x)) < 1e-4
    assert not fused[:, 6:].any()


@torch.no_grad()
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("depth", "value_depth"), [(41, 16), (49, 16), (7, 9)])
def test_a_fused_kernel_takes_attention(depth: int, value_depth: int, masked: bool, precision: torch.dtype) -> None:
    """The CPU's fused kernel asks for the same shapes as those of CUDA, and nothing else is allowed here."""
    torch.manual_seed(0)
    query, key, values = (
        (torch.randn(2, 3, 4, *shape) / 2).to(precision) for shape in ((16, depth), (36, depth), (36, value_depth))
    )
    hidden = torch.where(torch.rand(16, 36) < 0.2, OUTSIDE, 0.0).to(precision) if masked else None
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION]):
        fused = attend_fused(query, key, values, hidden)
    plain = attend_in_pieces(query, key, values, hidden)
    assert fused.shape == plain.shape
    assert relative(fused.float(), plain.float()) < (1e-5 if precision == torch.float32 else 2e-2)


def test_the_released_mask_is_not_rewritten_by_mistake() -> None:
    with pytest.raises(ValueError, match="released"):
        FusedHaloAttention(HaloAttention(6, 2, AttentionConfig(mask="released")))


@torch.no_grad()
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_folding_equals_convolution_and_batch_norm(kind: type[nn.Conv2d | nn.ConvTranspose2d], kernel: int) -> None:
    torch.manual_seed(0)
    conv = kind(5, 11, kernel, padding=kernel // 2)
    norm = nn.BatchNorm2d(11).eval()
    for statistic in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        statistic.uniform_(0.5, 2)
    one = folded(conv, norm)
    assert (one.in_channels, one.out_channels) == (8, 16)
    x = torch.randn(2, 5, 9, 7)
    given_eight = torch.cat((x, torch.randn(2, 3, 9, 7)), dim=1)  # what fills up is multiplied by nothing
    assert relative(one(given_eight)[:, :11], norm(conv(x))) < 1e-5
    assert not one(given_eight)[:, 11:].any()


def test_every_width_of_the_papers_block_c_is_a_multiple_of_eight() -> None:
    config = load_config("haloae").model
    with torch.device("meta"):
        plain = HaloAE(config, 256)
    widths = {part.out_channels for part in plain.encoder.modules() if isinstance(part, nn.Conv2d)}
    assert {29, 58, 117, 234} <= widths
    engine = InferenceModel(HaloAE(config, 64), CPU)
    convolutions = [
        part for block in (engine.encoder, engine.decoder) for part in block.modules() if isinstance(part, nn.Conv2d)
    ]
    assert len(convolutions) > 30
    assert all(c.in_channels % WIDTH_UNIT == c.out_channels % WIDTH_UNIT == 0 for c in convolutions)
    assert [filled_up(n) for n in (1, 8, 9, 703)] == [8, 8, 16, 704]


@torch.no_grad()
def test_bfloat16_is_close_and_comes_out_as_float32() -> None:
    net = unsettled(tiny_checkpoint().model)
    engine = InferenceModel(net, CPU, torch.bfloat16)
    images = torch.randn(4, 3, TILE, TILE)
    features = net.features(images)
    half = engine.features(images)
    assert half.dtype == torch.float32
    assert 1e-5 < relative(half, features) < 0.03
    reconstruction = engine.reconstruct(features)
    assert reconstruction.dtype == torch.float32
    assert relative(reconstruction, net.reconstruct(features)) < 0.03


def test_the_given_model_keeps_its_weights() -> None:
    net = unsettled(model("halo"))
    before = copy.deepcopy(net.state_dict())
    for dtype in (torch.float32, torch.bfloat16):
        InferenceModel(net, CPU, dtype)
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before)
