"""Parameters and operations against the specification's figures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.model.tiny import meta_model
from wsi_haloae.config import load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.model import cost
from wsi_haloae.model.cost import require_memory

ENCODER, DECODER, IMAGE_DECODER, CLASSIFIER = 5_137_364, 3_055_552, 3_271_287, 393_218


def count(*parts: nn.Module) -> int:
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


@pytest.mark.parametrize(("preset", "logits"), [("haloae", 1), ("haloae-paper", 1), ("haloae-as-released", 2)])
def test_parameters_are_those_of_the_specification(preset: str, logits: int) -> None:
    model = meta_model(preset)
    assert count(model.encoder) == ENCODER
    assert count(model.decoder) == DECODER
    assert count(model.encoder, model.decoder) == 8_192_916
    assert count(model.image_decoder) == IMAGE_DECODER
    assert count(model.classifier) == CLASSIFIER * logits // 2
    assert count(model.backbone) == 2_325_568


def test_the_released_model_has_the_trainable_parameters_of_the_specification() -> None:
    assert sum(parameter.numel() for parameter in meta_model("haloae-as-released").trainable_parameters()) == 11_857_421


def test_a_model_that_no_memory_holds_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config("haloae").model
    wide = config.model_copy(update={"autoencoder": config.autoencoder.model_copy(update={"head_width": 16384})})
    monkeypatch.setattr(cost.psutil, "virtual_memory", lambda: SimpleNamespace(available=4 << 30))
    require_memory(config, 256)
    with pytest.raises(ConfigError, match=r"takes 5\.7 GiB, and 4\.0 GiB are free.*head_width is 16384"):
        require_memory(wide, 256)


def test_every_part_but_the_features_is_trainable() -> None:
    model = meta_model("haloae")
    trained = count(model.encoder, model.decoder, model.image_decoder, model.classifier)
    assert sum(parameter.numel() for parameter in model.trainable_parameters()) == trained
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


def gigaflops(preset: str) -> float:
    """Features and block C on one tile: what scoring costs."""
    model = meta_model(preset).eval()
    with FlopCounterMode(display=False) as counter:
        model.reconstruct(model.features(torch.empty(1, 3, model.image_size, model.image_size, device="meta")))
    return counter.get_total_flops() / 1e9


def test_the_small_model_costs_a_tenth_of_the_papers() -> None:
    assert gigaflops("haloae-small") <= 9.4


@pytest.mark.parametrize("preset", ["haloae", "haloae-small"])
def test_on_features_of_densenet_the_presets_cost_less(preset: str) -> None:
    assert gigaflops(preset.replace("haloae", "haloae-2")) < 0.7 * gigaflops(preset)


def test_the_released_model_costs_no_more_than_the_published_code() -> None:
    """94.4 GFLOP there, where keys and values are projected once per window instead of once per cell."""
    assert 85 < gigaflops("haloae-as-released") <= 94.4
