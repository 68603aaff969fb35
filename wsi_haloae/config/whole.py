"""The whole configuration, and the settings that ``as_released`` changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, StrictBool, model_validator

from wsi_haloae.config.model import ModelConfig
from wsi_haloae.config.rules import RULES
from wsi_haloae.config.scoring import ScoringConfig, StainConfig, TissueConfig
from wsi_haloae.config.section import Section
from wsi_haloae.config.training import EwsConfig, LossConfig, SplitConfig, TrainingConfig


class Config(Section):
    """Everything that determines what a model is and how it is trained."""

    as_released: StrictBool = Field(
        False,
        description="true: the values of the authors' published code in place of the corrected ones, wherever a "
        "setting is not given",
    )
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    ews: EwsConfig = EwsConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()
    scoring: ScoringConfig = ScoringConfig()
    tissue: TissueConfig = TissueConfig()
    stain: StainConfig = StainConfig()

    @model_validator(mode="after")
    def _scores_need_what_was_trained(self) -> Self:
        rule = RULES.get(self.scoring.rule)
        if rule is None:  # auto
            return self
        if self.scoring.by(rule).source == "image" and not self.loss.im:
            raise ValueError(
                "scoring.source is image, but loss.im is false, so the image decoder would never be trained"
            )
        if rule.trained_by and not getattr(self.loss, rule.trained_by):
            raise ValueError(
                f"scoring.rule is {rule.name}, but loss.{rule.trained_by} is false, so the {rule.name} would never be "
                "trained"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _released_values_come_first(cls, data: Any) -> Any:
        """``as_released: true`` changes defaults only: a setting that is given keeps its value."""
        if isinstance(data, Mapping) and data.get("as_released") is True:
            return merge(AS_RELEASED, data)
        return data


AS_RELEASED: dict[str, Any] = {
    "model": {
        "map_size": "stretch60",
        "features": {"alignment": "released", "standardise": False},
        "attention": {"mask": "released"},
        "image_decoder": {"final_relu": True},
        "classifier": {"logits": 2},
    },
    "loss": {"ssim": "released"},
    "ews": {"schedule": "released", "unit": "epoch"},
    "training": {"steps_per_epoch": 750, "flip": False},
}
"""The settings of the authors' published code (specification, section 0), field by field."""


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge ``over`` into a copy of ``base``, mapping by mapping; neither argument is changed."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def value_at(document: Mapping[str, Any], key: str) -> Any:
    """The value in nested mappings at a key with dots, as `differences` returns it; None if there is none."""
    value: Any = document
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys whose values differ between two nested mappings."""
    found = []
    for key in {*ours, *theirs}:
        one, other = ours.get(key), theirs.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key}")
    return found
