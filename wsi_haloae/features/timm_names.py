"""What stands behind ``timm:NAME``: a name looked up once, before training begins.

    timm:resnet50                      a network of timm's registry, with or without a tag (.a1_in1k)
    timm:hf-hub:owner/name             a model of the Hugging Face hub that timm can build
    timm:local-dir:folder              the same, downloaded: config.json and weights

The answer, a `TimmNetwork`, travels in the checkpoint. Whoever loads that asks no hub, and gets the
same network when a later timm means another one by the name.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from wsi_haloae.config import FeaturesConfig, TimmNetwork
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
"""Stages of a pyramid that are taken where the configuration names none: input pixels per cell, from and to."""
DEPTHS = 4
"""Blocks of a plain transformer that are taken where it names none, the last one and equally far apart."""


def look_up(config: FeaturesConfig) -> TimmNetwork:
    """The network that ``config.backbone`` names, for the stages that ``config`` chooses.

    Raises `ConfigError` for a name, argument or stage that timm does not know, `UsageError` where
    timm is not installed or a hub cannot be reached.
    """
    with torch.device("meta"):
        network = _build_by_name(config)
        described = _describe(network, config)
        # The last norm of some transformers changes the width, and timm's list does not say so.
        features = TimmFeatures(config.model_copy(update={"timm": described}))
        size = input_size(described, int(network.pretrained_cfg["input_size"][-1]))  # type: ignore[index]
        try:
            maps = features.stage_maps(torch.empty(1, 3, size, size))
        except (*BUILD_ERRORS, AttributeError) as error:
            raise ConfigError(f"backbone {config.backbone}: no features can be taken from it ({error}).") from None
    return described.model_copy(update={"channels": tuple(x.shape[1] for x in maps)})


def _build_by_name(config: FeaturesConfig) -> nn.Module:
    name = config.timm_name or ""
    try:
        _require_known(name)
        return build_network(name, config.arguments, config.random_seed)
    except OSError as error:
        raise UsageError(
            f"backbone {config.backbone}: what it is cannot be looked up ({_first_line(error)}). On a machine without "
            "internet name a folder with its config.json and weights, timm:local-dir:FOLDER, or its architecture, "
            "timm:NAME, with model.features.arguments as on the model's card and --weights FILE.safetensors."
        ) from None
    except BUILD_ERRORS as error:
        raise ConfigError(
            f"backbone {config.backbone}: timm cannot build it with {config.arguments} ({_first_line(error)})."
        ) from None


def _require_known(name: str) -> None:
    timm = require_timm()
    if ":" in name or "/" in name:
        return  # timm says itself what it wants there
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() names them all."
        raise ConfigError(f"backbone timm:{name}: timm {timm.__version__} has no such network; {hint}")
    if tag and name not in (known := timm.list_models(f"{architecture}.*", pretrained=True)):
        raise ConfigError(f"backbone timm:{name}: timm has no such weights; known: {', '.join(known)}.")


def _describe(network: nn.Module, config: FeaturesConfig) -> TimmNetwork:
    told: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    kept: dict[str, Any] = network.pretrained_model_args  # type: ignore[assignment]  # those of a hub's config.json
    arguments = {name: value for name, value in {**kept, **config.arguments}.items() if value is not None}
    if told.get("fixed_input_size"):
        arguments.setdefault("img_size", told["input_size"][-1])  # as timm itself would
    if getattr(network, "dynamic_img_size", None) is False and "dynamic_img_size" not in config.arguments:
        arguments["dynamic_img_size"] = True  # position embeddings are interpolated to the tile's size
    fixed = told.get("fixed_input_size") and not arguments.get("dynamic_img_size")
    stages = _choose(network, config)
    found = [feature_info(network)[stage] for stage in stages]
    described = {
        "architecture": told["architecture"],
        "arguments": arguments,
        "stages": stages,
        "channels": [stage["num_chs"] for stage in found],
        "reductions": [stage["reduction"] for stage in found],
        "fixed_size": _size(arguments["img_size"]) if fixed else None,
        "mean": told["mean"],
        "std": told["std"],
    }
    return validate(TimmNetwork, described, source=config.backbone)


def _choose(network: nn.Module, config: FeaturesConfig) -> tuple[int, ...]:
    if not (hasattr(network, "feature_info") and hasattr(network, "forward_intermediates")):
        raise ConfigError(f"backbone {config.backbone}: timm gives no features of its stages, only of its end.")
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
            f"backbone {config.backbone}: model.features.stages={list(config.stages or ())} cannot be taken; its "
            f"stages are {known}."
        )
    return tuple(chosen)


def _size(given: Any) -> int:
    return int(given[-1] if isinstance(given, list | tuple) else given)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
