"""Whether a scoring rule can score single images, which are not tiles of a slide."""

from __future__ import annotations

from wsi_haloae.config import RULES, ScoringConfig
from wsi_haloae.errors import ConfigError


def check_rule(scoring: ScoringConfig) -> None:
    """Raise `ConfigError` for a rule that cannot score images, before anything is trained."""
    if not scoring.for_images:
        others = [name for name in RULES if scoring.model_copy(update={"rule": name}).for_images]
        raise ConfigError(
            f"scoring.rule {scoring.rule} was given; labelled images of residual {scoring.residual} can be scored by "
            f"{', '.join(others)}. Other rules need calibrated tiles, the map of a tile, or another scoring.residual."
        )
    if scoring.also:
        raise ConfigError(
            f"scoring.also {', '.join(scoring.also)} was given, but labelled images are scored by one rule: set "
            "scoring.rule, and leave scoring.also out."
        )
    if scoring.glass_level is not None:
        raise ConfigError(
            f"scoring.glass_level {scoring.glass_level:g} was given, but images have no glass: all of an image counts. "
            "Leave it at null."
        )
