"""Settings of a network that timm builds: what its name stood for when training began."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from wsi_haloae.config.section import Section, Side, Width

TIMM_PREFIX = "timm:"


def _number_if_it_is_one(value: Any) -> Any:
    """YAML takes ``1e-5`` for text; no argument of a network is text that reads as a number."""
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
            f"{wrong[0]} does not describe a network; weights come by --weights, stages by model.features.stages"
        )
    return arguments


Argument = Annotated[
    bool | int | float | str | tuple[bool | int | float | str, ...], BeforeValidator(_number_if_it_is_one)
]
Arguments = Annotated[dict[str, Argument], AfterValidator(_describe_a_network)]
"""What is passed to ``timm.create_model`` beside the name; text names a layer (``act_layer: silu``)."""


def _rise(stages: tuple[int, ...]) -> tuple[int, ...]:
    if any(stage >= after for stage, after in pairwise(stages)):
        raise ValueError(f"stages must rise from the first to the last, without repeats, but they are {list(stages)}")
    return stages


Stages = Annotated[tuple[Annotated[int, Field(ge=0, le=1000)], ...], Field(min_length=1), AfterValidator(_rise)]
"""Numbers into timm's ``feature_info``: stages of a pyramid, blocks of a plain transformer; they rise."""


class TimmNetwork(Section):
    """A network of timm, without its weights: all that it takes to build it again offline.

    ``channels`` and ``reductions`` (input pixels per cell) are those of ``stages``. ``fixed_size`` is
    the one image size that the network takes, None where it takes any.
    """

    architecture: str = Field(pattern=r"^[a-z0-9_]+$", description="a name of timm's registry, never of a hub")
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
            raise ValueError("stages, channels and reductions must be equally many")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        return self
