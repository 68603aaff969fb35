"""Settings of a timm network: exactly what its name referred to when training began."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from wsi_haloae.config.section import Section, Side, Width

TIMM_PREFIX = "timm:"


def _number_if_it_is_one(value: Any) -> Any:
    """Convert text such as ``1e-5``, which YAML does not read as a number; no argument needs it as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


READS_FILES = frozenset(
    ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "pruned")
)
DECIDED_ELSEWHERE = frozenset(("features_only", "out_indices", "in_chans"))


def _describe_a_network(arguments: dict[str, Any]) -> dict[str, Any]:
    if wrong := sorted((READS_FILES | DECIDED_ELSEWHERE) & set(arguments)):
        raise ValueError(
            f"{wrong[0]} does not describe a network; pass weights with --weights, stages with model.features.stages"
        )
    return arguments


Argument = Annotated[
    bool | int | float | str | tuple[bool | int | float | str, ...], BeforeValidator(_number_if_it_is_one)
]
Arguments = Annotated[dict[str, Argument], AfterValidator(_describe_a_network)]
"""Arguments for ``timm.create_model`` besides the name; text names a layer (``act_layer: silu``)."""


def _rise(stages: tuple[int, ...]) -> tuple[int, ...]:
    if any(stage >= after for stage, after in pairwise(stages)):
        raise ValueError(f"stages are {list(stages)}; they must be in rising order, without repeats")
    return stages


Stages = Annotated[tuple[Annotated[int, Field(ge=0, le=1000)], ...], Field(min_length=1), AfterValidator(_rise)]
"""Indices into timm's ``feature_info``, rising: stages of a pyramid, or blocks of a plain transformer."""


class TimmNetwork(Section):
    """A timm network without its weights: all that is needed to build it again offline.

    ``channels`` and ``reductions`` (input pixels per cell) belong to ``stages``. ``fixed_size`` is the only image size
    that the network accepts, None if it accepts any.
    """

    architecture: str = Field(pattern=r"^[a-z0-9_]+$", description="a name in timm's registry, never one of a hub")
    arguments: Arguments
    stages: Stages
    channels: tuple[Width, ...]
    reductions: tuple[Side, ...]
    fixed_size: Width | None = None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @model_validator(mode="after")
    def _one_of_each_for_a_stage(self) -> Self:
        if not len(self.stages) == len(self.channels) == len(self.reductions):
            raise ValueError("stages, channels and reductions must have the same length")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        return self
