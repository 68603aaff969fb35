"""Noise on the code and its rank: what they do, what they leave alone, and that the engine knows them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.model.tiny import TINY, meta_model
from tests.model.variants import features_of, model
from wsi_haloae.config import load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.code import Code, noisy
from wsi_haloae.model.cost import measure_cost
from wsi_haloae.model.haloae import HaloAE


def with_code(**settings: object) -> HaloAE:
    return model("halo", autoencoder={**TINY["autoencoder"], **settings})


def test_each_number_is_dropped_by_itself_and_becomes_its_channels_mean() -> None:
    torch.manual_seed(0)
    code = torch.randn(8, 5, 20, 20) + torch.arange(5).view(1, 5, 1, 1) * 10
    found = noisy(code, 0.25)
    mean = code.mean(dim=(0, 2, 3), keepdim=True)
    dropped = (found - mean).abs() < 1e-5
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.01)
    share = dropped.float().mean(dim=1)
    assert len(share.unique()) > 3, "not whole cells"
    assert float(dropped.float().mean(dim=(2, 3)).std()) < 0.05, "not whole channels"
    kept = ((code - mean) / 0.75 + mean)[~dropped]
    torch.testing.assert_close(found[~dropped], kept, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.mean(dim=(0, 2, 3)), mean.flatten(), rtol=0, atol=0.1)


def test_noise_is_for_training_alone() -> None:
    plain, noised = model("halo"), with_code(code_dropout=0.5)
    assert plain.state_dict().keys() == noised.state_dict().keys()
    features = features_of(plain)
    with torch.no_grad():
        assert torch.equal(noised.eval().reconstruct(features), plain.eval().reconstruct(features))
        assert not torch.equal(noised.train().reconstruct(features), plain.train().reconstruct(features))


def ranks(code: Tensor) -> int:
    return int(torch.linalg.matrix_rank(code.detach().transpose(0, 1).flatten(1).double(), rtol=1e-4))


def test_no_more_numbers_pass_than_the_rank() -> None:
    features = features_of(model("halo"))
    assert ranks(model("halo").encoder(features)) == 8
    low = with_code(code_rank=3, code_dropout=0.2).train()
    assert ranks(low.encoder(features)) == 3
    assert ranks(low.eval().encoder(features)) == 3
    low.reconstruct(features).square().mean().backward()
    assert all(bool(layer.weight.grad.any()) for layer in (low.encoder.code.narrow, low.encoder.code.widen))


def test_noise_is_on_the_numbers_that_pass() -> None:
    code = Code(8, 0.5, 3)
    torch.manual_seed(0)
    found = code(torch.randn(4, 8, 10, 10))
    assert ranks(found) == 3, "noise on all 8 would have a rank of 8"


def test_the_cost_counts_the_linear_layers() -> None:
    plain = load_config("haloae-small").model
    low = load_config("haloae-small", ["model.autoencoder.code_rank=16"]).model
    one, other = measure_cost(plain, 256), measure_cost(low, 256)
    assert other.autoencoder_parameters - one.autoencoder_parameters == 2 * 32 * 16
    assert other.autoencoder_flops - one.autoencoder_flops == 2 * (2 * 32 * 16) * 32 * 32


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["model.autoencoder.code_dropout=1"], "code_dropout"),
        (["model.autoencoder.code_rank=30"], r"30 is more than the 29 channels.*choose at most 29, or null"),
        (["model.autoencoder.code_rank=8", "model.block_c=swin"], r"set model\.autoencoder\.code_rank=null"),
        (["model.autoencoder.code_dropout=0.1", "model.block_c=dfr_cnn"], r"set model\.autoencoder\.code_dropout=0"),
    ],
)
def test_what_would_have_no_effect_is_refused(settings: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_config("haloae", settings)


def test_the_paper_s_own_size_takes_both() -> None:
    net = meta_model("haloae", "model.autoencoder.code_rank=16", "model.autoencoder.code_dropout=0.2")
    assert net.encoder.code.narrow.weight.shape == (16, 29, 1, 1)
