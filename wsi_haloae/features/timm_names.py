"""Looks up the network behind ``timm:NAME``, once, before training begins.

    timm:resnet50                      a network in timm's registry, with or without a tag (.a1_in1k)
    timm:hf-hub:owner/name             a model on the Hugging Face hub that timm can build
    timm:local-dir:folder              the same, downloaded: config.json and weights

Encoders of the table in `wsi_haloae.config.encoders` are described there and looked up without a network.

The result, a `TimmNetwork`, is stored in the checkpoint. Loading a checkpoint therefore needs no hub, and gives the
same network even if a later timm uses the name for another one.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from wsi_haloae.config import FeaturesConfig, TimmNetwork
from wsi_haloae.config.encoders import Encoder, encoder_of
from wsi_haloae.config.presets import validate
from wsi_haloae.errors import ConfigError, UsageError
from wsi_haloae.features.grid import input_size
from wsi_haloae.features.timm_features import (
    BUILD_ERRORS,
    TimmFeatures,
    build_network,
    feature_info,
    is_plain,
    require_timm,
)

REDUCTIONS = (4, 16)
"""Stages of a pyramid that are used by default: from 4 to 16 input pixels per cell."""
DEPTHS = 4
"""Number of blocks of a plain transformer that are used by default, at equal distances up to the last one."""


def look_up(config: FeaturesConfig) -> TimmNetwork:
    """Look up the network in ``config.backbone``, with the stages in ``config``.

    Raises `ConfigError` for a name, argument or stage that timm does not know, `UsageError` if timm is not installed or
    a hub cannot be reached.
    """
    with torch.device("meta"):
        network = _build_by_name(config)
        described = _describe(network, config)
        # The last norm of some transformers changes the number of channels, and timm's list does not say so.
        features = TimmFeatures(config.model_copy(update={"timm": described}))
        size = input_size(described, int(network.pretrained_cfg["input_size"][-1]))  # type: ignore[index]
        try:
            maps = features.stage_maps(torch.empty(1, 3, size, size))
        except (*BUILD_ERRORS, AttributeError) as error:
            raise ConfigError(f"backbone {config.backbone}: its features cannot be computed ({error}).") from None
    return described.model_copy(update={"channels": tuple(x.shape[1] for x in maps)})


def _build_by_name(config: FeaturesConfig) -> nn.Module:
    name, encoder = config.timm_name or "", encoder_of(config.backbone)
    arguments: dict[str, Any] = dict(config.arguments)
    if encoder is not None:
        name, arguments["pretrained_cfg"] = encoder.architecture, _published(encoder)
    try:
        _require_known(name)
        return build_network(name, arguments, config.random_seed)
    except OSError as error:
        raise UsageError(
            f"backbone {config.backbone}: the network could not be looked up ({_first_line(error)}). On a machine "
            "without "
            "internet, give a folder with its config.json and weights (timm:local-dir:FOLDER), or its architecture "
            "(timm:NAME) with model.features.arguments as on the model's card and --weights FILE.safetensors."
        ) from None
    except BUILD_ERRORS as error:
        raise ConfigError(
            f"backbone {config.backbone}: timm cannot build it with the arguments {config.arguments} "
            f"({_first_line(error)})."
        ) from None


def _published(encoder: Encoder) -> dict[str, Any]:
    """What a hub would say about the images that an encoder of the table takes."""
    mean, std = encoder.colours
    size = (3, encoder.image_size, encoder.image_size)
    return {
        "architecture": encoder.architecture,
        "input_size": size,
        "fixed_input_size": True,
        "mean": mean,
        "std": std,
    }


def _require_known(name: str) -> None:
    timm = require_timm()
    if ":" in name or "/" in name:
        return  # timm reports itself what is wrong with such a name
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() lists all networks."
        raise ConfigError(f"backbone timm:{name}: timm {timm.__version__} has no such network; {hint}")
    if tag and name not in (known := timm.list_models(f"{architecture}.*", pretrained=True)):
        raise ConfigError(f"backbone timm:{name}: timm has no such weights; choose one of {', '.join(known)}.")


def _describe(network: nn.Module, config: FeaturesConfig) -> TimmNetwork:
    published: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    stored: dict[str, Any] = network.pretrained_model_args  # type: ignore[assignment]  # from a hub's config.json
    arguments = {name: value for name, value in {**stored, **config.arguments}.items() if value is not None}
    if published.get("fixed_input_size"):
        arguments.setdefault("img_size", published["input_size"][-1])  # as timm itself does
    if getattr(network, "dynamic_img_size", None) is False and "dynamic_img_size" not in config.arguments:
        arguments["dynamic_img_size"] = True  # position embeddings are interpolated to the tile's size
    fixed = published.get("fixed_input_size") and not arguments.get("dynamic_img_size")
    stages = _choose(network, config)
    chosen = [feature_info(network)[stage] for stage in stages]
    described = {
        "architecture": published["architecture"],
        "arguments": arguments,
        "stages": stages,
        "channels": [stage["num_chs"] for stage in chosen],
        "reductions": [stage["reduction"] for stage in chosen],
        "fixed_size": _size(arguments["img_size"]) if fixed else None,
        "mean": published["mean"],
        "std": published["std"],
    }
    return validate(TimmNetwork, described, source=config.backbone)


def _choose(network: nn.Module, config: FeaturesConfig) -> tuple[int, ...]:
    if not (hasattr(network, "feature_info") and hasattr(network, "forward_intermediates")):
        raise ConfigError(
            f"backbone {config.backbone}: timm provides no features of its stages, only of its last layer."
        )
    stages = feature_info(network)
    if config.stages is None:
        fine, coarse = REDUCTIONS
        chosen = [number for number, stage in enumerate(stages) if fine <= stage["reduction"] <= coarse]
        if is_plain(network):
            chosen = sorted({max(0, len(stages) * depth // DEPTHS - 1) for depth in range(1, DEPTHS + 1)})
    else:
        chosen = [number for number in config.stages if number < len(stages)]
    if not chosen or (config.stages and len(chosen) < len(config.stages)):
        known = ", ".join(
            f"{number} ({stage['module']}: {stage['num_chs']} channels, 1/{stage['reduction']})"
            for number, stage in enumerate(stages)
        )
        raise ConfigError(
            f"backbone {config.backbone}: model.features.stages={list(config.stages or ())} is not possible; choose "
            f"from its stages: {known}."
        )
    return tuple(chosen)


def _size(given: Any) -> int:
    return int(given[-1] if isinstance(given, list | tuple) else given)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
