"""CFlow-AD: exact likelihoods, maps that mean something, and the package that it needs."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

import tests.model.tiny  # noqa: F401  (one thread)
from wsi_haloae.baselines.by_cell import CFLOW, KNN, fit_by_cell
from wsi_haloae.baselines.cflow import CODE, CFlow, LayerFlow, position_code
from wsi_haloae.baselines.protocol import Baseline
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter

LAYERS = (4, 6)
CHANNELS, HEIGHT, WIDTH = sum(LAYERS), 5, 7


def made(images: int, seed: int) -> Tensor:
    """Channels of a layer that depend on one another, so that there is something to learn."""
    noise = torch.randn(images, CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))
    return 0.3 * noise + noise[:, ::5].repeat_interleave(5, dim=1)


def fit(features: Tensor, *, positions: bool = True, size: int = 4, passes: int = 6, seed: int = 0) -> CFlow:
    return CFlow.fit(
        lambda: iter(torch.split(features, size)),
        LAYERS,
        lambda _: None,
        positions=positions,
        passes=passes,
        seed=seed,
    )


@pytest.mark.parametrize("code", [0, 3])
def test_the_likelihood_is_that_of_the_change_of_variables(code: int) -> None:
    """Against the determinant of autograd's Jacobian, and the normal density of what the blocks make of a cell."""
    torch.manual_seed(0)
    flow = LayerFlow(5, code).double()
    for weight in flow.parameters():
        weight.data += 0.1 * torch.randn_like(weight) if weight.requires_grad else 0
    cells, codes = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, code, dtype=torch.float64)

    def noise(cell: Tensor, own: Tensor) -> Tensor:
        values = cell[None]
        for block in flow.blocks:
            (values,), _ = block((values,), [own[None]] if code else [])
        return values[0]

    told = flow(cells, codes)
    for cell, own, likelihood in zip(cells, codes, told, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x, own=own: noise(x, own), cell)
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise(cell, own)).sum()
        torch.testing.assert_close(likelihood, normal + torch.linalg.slogdet(jacobian)[1], rtol=0, atol=1e-6)


def test_the_density_integrates_to_one() -> None:
    torch.manual_seed(1)
    flow, side = LayerFlow(2, 0).double(), torch.linspace(-60, 60, 1201, dtype=torch.float64)
    plane = torch.cartesian_prod(side, side)
    with torch.no_grad():
        density = flow(plane, plane[:, :0]).exp()
    assert float(density.sum()) * 0.1**2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("positions", [True, False])
def test_cells_like_those_of_the_training_are_likelier_than_shifted_ones(positions: bool) -> None:
    fitted: Baseline = fit(made(16, 0), positions=positions)
    test = made(3, 1)
    test[1, :, 1:3, 2:5] += 2
    maps = fitted.maps(test)
    assert maps.shape == (3, HEIGHT, WIDTH)
    assert 0 <= float(maps.min()) < float(maps.max()) <= 1
    shifted = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.bool)
    shifted[1, 1:3, 2:5] = True
    assert float(maps[shifted].mean()) > float(maps[~shifted].mean()) + 0.1
    assert float(maps[shifted].min()) > float(maps[~shifted].median())


def test_training_raises_the_likelihood_of_cells_that_were_not_seen() -> None:
    before, after = (fit(made(16, 0), passes=passes) for passes in (0, 6))
    layers = torch.split(made(4, 1).flatten(2).transpose(1, 2).flatten(0, 1), LAYERS, dim=1)
    code = position_code(HEIGHT, WIDTH).repeat(4, 1)
    for layer, old, new in zip(layers, before.flows, after.flows, strict=True):
        assert float(new(layer, code).mean().detach()) > float(old(layer, code).mean().detach()) + 0.5


def test_what_is_usual_at_one_place_may_be_strange_at_another() -> None:
    train = torch.randn(48, CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) / 3
    train[..., :3] += 1
    train[..., 3:] -= 1
    maps = fit(train).maps(torch.ones(1, CHANNELS, HEIGHT, WIDTH))
    assert float(maps[..., 3:].mean()) > float(maps[..., :3].mean()) + 0.03
    anywhere = fit(train, positions=False, passes=1).maps(torch.ones(1, CHANNELS, HEIGHT, WIDTH))
    torch.testing.assert_close(anywhere, anywhere[:, :1, :1].expand_as(anywhere))


def test_position_codes_are_the_papers() -> None:
    code = position_code(HEIGHT, WIDTH).view(HEIGHT, WIDTH, CODE)
    row, column, pair = 3, 5, 4
    rate = 10_000 ** (-2 * pair / (CODE / 2))
    assert float(code[row, column, 2 * pair]) == pytest.approx(math.sin(column * rate), abs=1e-5)
    assert float(code[row, column, 2 * pair + 1]) == pytest.approx(math.cos(column * rate), abs=1e-5)
    assert float(code[row, column, CODE // 2 + 2 * pair]) == pytest.approx(math.sin(row * rate), abs=1e-5)
    assert float(code[row, column, CODE // 2 + 2 * pair + 1]) == pytest.approx(math.cos(row * rate), abs=1e-5)


def test_a_fit_is_the_same_for_its_seed_only_and_leaves_the_global_generators_alone() -> None:
    test = made(2, 1)
    torch.manual_seed(5)
    np.random.seed(5)
    expected = float(torch.rand(1)), float(np.random.rand())
    torch.manual_seed(5)
    np.random.seed(5)
    one = fit(made(8, 0), passes=1).maps(test)
    assert (float(torch.rand(1)), float(np.random.rand())) == expected
    same, other = fit(made(8, 0), passes=1, size=3).maps(test), fit(made(8, 0), passes=1, seed=1).maps(test)
    assert torch.equal(one, same), "nor does it depend on the batches"
    assert not torch.equal(one, other)


def test_features_of_a_scorer_can_be_learned_from() -> None:
    with torch.inference_mode():
        features = made(4, 0)
    assert fit(features, passes=1).maps(features).shape == (4, HEIGHT, WIDTH)


def test_without_its_package_it_is_left_out_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    features, reporter = made(4, 0), Reporter()
    both = fit_by_cell(lambda: iter([features]), LAYERS, reporter, positions=False)
    assert list(both) == [KNN, CFLOW]
    monkeypatch.setitem(sys.modules, "FrEIA.modules", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'wsi-haloae[flow]'")):
        fit(features)
    assert list(fit_by_cell(lambda: iter([features]), LAYERS, reporter, positions=False)) == [KNN]
    assert "CFlow-AD is left out. " in capsys.readouterr().err
