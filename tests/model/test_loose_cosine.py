"""The loose cosine loss against its definition: groups of layers, damped gradients, a share that rises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.model.tiny import tiny_model
from tests.model.variants import features_of, model
from wsi_haloae.config import LossConfig, load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.loose_cosine import RISES_UNTIL, cosine_distance, damped, loose_cosine, require_layers
from wsi_haloae.model.losses import feature_loss

CHANNELS = (2, 3, 4)


def pair(seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.randn(3, 9, 5, 5), torch.randn(3, 9, 5, 5)


def by_hand(x: Tensor, y: Tensor, groups: list[list[int]]) -> float:
    edges, losses = [0, 2, 5, 9], []
    for group in groups:
        channels = [c for layer in group for c in range(edges[layer], edges[layer + 1])]
        for one, other in zip(x[:, channels].numpy(), y[:, channels].numpy(), strict=True):
            losses.append(1 - (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))
    return float(np.mean(losses))


@pytest.mark.parametrize("groups", [None, ((0, 2), (1,)), ((0, 1, 2),)])
def test_it_is_one_minus_the_cosine_of_each_image_and_group(groups: tuple[tuple[int, ...], ...] | None) -> None:
    x, y = pair()
    config = LossConfig(fm_terms="cosine", layer_groups=groups, easy_share=0.9)
    expected = by_hand(x, y, [[0], [1], [2]] if groups is None else [list(group) for group in groups])
    assert float(loose_cosine(x, y, CHANNELS, config, 250)) == pytest.approx(expected, rel=1e-5)
    assert float(loose_cosine(x, 7 * y, CHANNELS, config, 250)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("share", "easy"), [(0.9, 68), (0.5, 37), (0.99, 74), (0.0, 0)])
def test_the_best_cells_pass_on_a_part_of_their_gradient(share: float, easy: int) -> None:
    x, y = pair()
    y.requires_grad_()
    found = damped(x, y, share, 0.1)
    assert torch.equal(found, y)
    found.sum().backward()
    passed = y.grad[:, 0]
    assert torch.equal(y.grad, passed[:, None].expand_as(y.grad)), "the same for every channel of a cell"
    assert int((passed < 0.5).sum()) == easy
    torch.testing.assert_close(passed.unique(), torch.tensor([0.1, 1.0] if easy else [1.0]))
    if easy:
        distance = cosine_distance(x, y.detach())
        assert distance[passed < 0.5].max() < distance[passed > 0.5].min()


def gradient(config: LossConfig, t: float) -> Tensor:
    x, y = pair()
    y.requires_grad_()
    loose_cosine(x, y, CHANNELS, config, t).backward()
    assert y.grad is not None
    return y.grad


def test_the_share_rises_with_the_schedule() -> None:
    firm, loose = (LossConfig(fm_terms="cosine", easy_share=share, easy_gradient=0.0) for share in (0.0, 0.8))

    def damped_share(t: float) -> float:
        return float((gradient(loose, t) == 0).float().mean())

    assert torch.equal(gradient(loose, 0), gradient(firm, 0))
    assert damped_share(RISES_UNTIL / 2) == pytest.approx(0.4, abs=0.03)
    assert damped_share(RISES_UNTIL) == damped_share(250) == pytest.approx(0.8, abs=0.03)


def test_directions_are_about_the_tiles_mean_if_block_c_is() -> None:
    config, ranges = LossConfig(fm_terms="cosine"), torch.ones(1)
    plain, centred = model("halo"), model("halo", recentre="tile")
    x, y = features_of(plain), features_of(plain)
    shift = 3 * torch.randn(2, x.shape[1], 1, 1)
    for net, moves in ((plain, True), (centred, False)):
        one, other = (float(feature_loss(net, x + by, y + by, ranges, config)) for by in (0.0, shift))
        assert (abs(one - other) > 0.1) == moves


def test_layers_are_in_exactly_one_group() -> None:
    layers = tiny_model().backbone.layers
    require_layers(None, layers)
    require_layers([[0, 3], [2, 1]], layers)
    for groups in ([[0, 1]], [[0, 1], [1, 2, 3]], [[0, 1, 2, 3, 4]]):
        with pytest.raises(ConfigError, match=r"4 layers \(0 relu1_1, .*exactly one group"):
            require_layers(groups, layers)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["loss.easy_share=0.9"], r"easy_share belongs to the cosine distance.*set loss\.fm_terms=cosine"),
        (["loss.layer_groups=[[0, 1]]"], r"layer_groups belongs to the cosine distance"),
        (["loss.fm_terms=cosine", "loss.easy_share=1"], "easy_share"),
        (["loss.fm_terms=cosine", "loss.layer_groups=[]"], "layer_groups"),
        (["loss.fm_terms=cosine", "loss.layer_groups=[[]]"], "layer_groups"),
        (["loss.fm_terms=cosine", "loss.layer_groups=[[-1]]"], "layer_groups"),
        (["loss.negatives=true", "loss.fm=false"], r"set loss\.fm=true or loss\.negatives=false"),
    ],
)
def test_settings_without_effect_are_refused(settings: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_config("haloae", settings)


def test_groups_can_be_set_on_the_command_line() -> None:
    config = load_config("haloae", ["loss.fm_terms=cosine", "loss.layer_groups=[[0, 1], [2, 3]]"])
    assert config.loss.layer_groups == ((0, 1), (2, 3))
