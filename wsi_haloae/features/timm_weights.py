"""Weights for a network of timm: from a file, or from where timm publishes them."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from typing import Any

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.features.grid import require_resolved
from wsi_haloae.features.timm_features import TimmFeatures
from wsi_haloae.features.timm_network import build_network
from wsi_haloae.features.vgg import read_weights, take_weights


def load_timm_weights(features: TimmFeatures, config: FeaturesConfig, weights: Path | None) -> str:
    """Fill ``features`` from a safetensors file with timm's keys, or by timm's download; says what was used.

    Raises `UsageError` when the file does not fit, or when nothing can be downloaded.
    """
    if weights is not None:
        state, source = read_weights(weights), weights.name
    else:
        state, source = _from_timm(config)
    take_weights(features.network, state, f"{source}: these weights do not fit {config.backbone}", keys_of="timm")
    return source


def _from_timm(config: FeaturesConfig) -> tuple[dict[str, Any], str]:
    """The whole network's weights, classifier included: so timm loads them strictly."""
    assert config.timm_name is not None, "asked for features of timm alone"
    try:
        network = build_network(
            config.timm_name, require_resolved(config).arguments, config.random_seed, pretrained=True
        )
    except (OSError, RuntimeError, ValueError, HTTPException) as error:  # no network, no licence, other weights
        first_line = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"{config.backbone}: its weights are neither on this machine nor can they be downloaded ({first_line}). "
            "Pass a safetensors file with timm's keys (--weights FILE.safetensors); for a model behind a licence, "
            "accept that on its page and give 'hf auth login' first."
        ) from None
    return network.state_dict(), _told(network.pretrained_cfg)  # type: ignore[arg-type]


def _told(published: dict[str, Any]) -> str:
    name = published.get("hf_hub_id") or ".".join(filter(None, (published["architecture"], published.get("tag"))))
    licence = published.get("license")
    return f"timm {name} (licence: {licence})" if licence else f"timm {name}"
