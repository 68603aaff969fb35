"""Fills block B from timm with weights: from a file, or from a download, which the library that offers it keeps."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.config.encoder_words import access_words, licence_words, weights_words
from wsi_haloae.config.encoders import Encoder, encoder_of
from wsi_haloae.errors import UsageError
from wsi_haloae.features.grid import require_resolved
from wsi_haloae.features.timm_features import TimmFeatures, build_network
from wsi_haloae.features.transformers_keys import has_transformers_keys, to_timm_keys
from wsi_haloae.features.vgg import read_weights, take_weights

DOWNLOAD_ERRORS = (OSError, RuntimeError, ValueError, HTTPException)
"""No internet, no access, a licence that was not accepted, other weights."""


def load_timm_weights(features: TimmFeatures, config: FeaturesConfig, weights: Path | None) -> str:
    """Fill ``features`` from a safetensors file or a download; returns the source, and its licence if it is known.

    Keys may be timm's or those of transformers. Raises `UsageError` when the file does not fit, or when nothing can be
    downloaded.
    """
    encoder = encoder_of(config.backbone)
    if weights is not None:
        state, source = read_weights(weights), _described(weights.name, licence_words(encoder) if encoder else None)
    else:
        state, source = _downloaded(config)
    complaint = f"{source}: these weights do not fit {config.backbone}"
    if has_transformers_keys(state):
        try:
            state = to_timm_keys(state, features.network)
        except ValueError as error:
            raise UsageError(f"{complaint}: their names are transformers', but {error} is wrong or missing.") from None
    take_weights(features.network, state, complaint, keys_of="timm")
    return source


def _downloaded(config: FeaturesConfig) -> tuple[dict[str, Any], str]:
    """The weights behind ``config.backbone`` and their source in words; `UsageError` if they cannot be had."""
    encoder = encoder_of(config.backbone)
    try:
        if encoder is not None and encoder.keys == "transformers":
            return _from_hub(encoder)
        return _from_timm(config, encoder)
    except DOWNLOAD_ERRORS as error:
        first_line = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"{config.backbone}: its weights are not on this machine and could not be downloaded ({first_line}). "
            f"{_way_out(encoder)}"
        ) from None


def _described(source: str, licence: str | None) -> str:
    """The source of weights in words, with the licence if it is known."""
    return f"{source} (licence: {licence})" if licence else source


def _from_timm(config: FeaturesConfig, encoder: Encoder | None) -> tuple[dict[str, Any], str]:
    """Weights of the whole network, classifier included, because timm loads them strictly."""
    assert config.timm_name is not None, "only called for timm backbones"
    arguments = require_resolved(config).arguments
    network = build_network(config.timm_name, arguments, config.random_seed, pretrained=True)
    published: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    name = published.get("hf_hub_id") or ".".join(filter(None, (published["architecture"], published.get("tag"))))
    licence = licence_words(encoder) if encoder else published.get("license")
    return network.state_dict(), _described(f"timm {name}", licence)


def _from_hub(encoder: Encoder) -> tuple[dict[str, Any], str]:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415  # comes with timm

    state = load_file(hf_hub_download(encoder.repository, "model.safetensors"))
    return state, _described(encoder.repository, licence_words(encoder))


def _way_out(encoder: Encoder | None) -> str:
    if encoder is not None:
        return f"{access_words(encoder)} Or pass {weights_words(encoder)} (--weights FILE.safetensors)."
    return (
        "Pass a safetensors file with timm's keys (--weights FILE.safetensors). If the model needs you to accept a "
        "licence, accept it on the model's page and run 'hf auth login' first."
    )
