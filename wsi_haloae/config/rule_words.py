"""Describes a scoring rule in words, for score stores, reports and tables.

Whether the auto-encoder is part of a score is said by these sentences alone. They are empty for a rule that is not
known: stores of older versions do not name theirs.
"""

from __future__ import annotations

from typing import Literal

from wsi_haloae.config.rules import RULES
from wsi_haloae.config.scoring import ScoringConfig

MapShows = Literal["score", "unadapted score", "other score", "residual"]
"""What a map shows: how much each cell adds to the score that is shown, or to that of another adaptation; or what the
auto-encoder does not reconstruct."""


def rule_words(scoring: ScoringConfig) -> str:
    """Describe the rule named in ``scoring`` (never *auto*), with the settings that it uses."""
    rule = RULES[scoring.rule]
    how = scoring.by(rule)
    residual = "(1 - SSIM)" if how.residual == "ssim" else "A_fm"
    if how.source == "image":
        residual = "A_im"
    deviation = {
        "absolute": f"|{residual} - mean training map|",
        "signed": f"{residual} - mean training map",
        "none": residual,
    }[how.normalisation]
    return rule.words.format(
        cells="all cells" if how.glass_level is None else "tissue cells",
        residual=residual,
        pooling={"mean": "mean", "p95": "95th percentile", "max": "maximum"}[how.pooling],
        map=f"smoothed {deviation}" if how.smooth and how.pooling != "mean" else deviation,
    )


def autoencoder_words(name: str | None) -> str:
    """Whether the auto-encoder is part of the score of rule ``name``, as a sentence."""
    rule = RULES.get(name or "")
    if rule is None:
        return ""
    return f"The auto-encoder is {'' if rule.uses_autoencoder else 'not '}part of this score (rule {rule.name})."


def map_words(name: str | None, shows: MapShows = "residual") -> str:
    """What an anomaly map shows beside a score of rule ``name``, as sentences."""
    if shows == "score":
        return (
            "The map shows what each cell adds to the score: its mean over the tile's tissue is the score. Cells "
            "below 0 lower the score. Glass does not count and is 0."
        )
    other = {
        "unadapted score": "the score before adaptation and smoothing",
        "other score": "another score of the tile, before smoothing or with another adaptation to the slide",
    }.get(shows)
    if other:
        return f"The map is of {other}: its mean over the tile's tissue is that score, not the one shown."
    rule = RULES.get(name or "")
    shown = "The map shows what the auto-encoder does not reconstruct."
    if rule is None:
        return shown
    if rule.measures_residual:
        return f"{shown} The score may also measure what the map does not show."
    return f"{shown} It is not part of this score (rule {rule.name}) and does not explain it."


def map_title(name: str | None, title: str = "anomaly map", shows: MapShows = "residual") -> str:
    """``title`` for a picture of a map beside a score of rule ``name``; unchanged for a residual that it measures."""
    if shows == "score":
        return f"{title} (its mean over tissue is the score)"
    if shows == "other score":
        return f"{title} (its mean over tissue is another score)"
    if shows == "unadapted score":
        return f"{title} (its mean over tissue is the score before adaptation)"
    rule = RULES.get(name or "")
    if rule is None or rule.measures_residual:
        return title
    return f"{title} (what the auto-encoder does not reconstruct; not part of this score)"
