"""Describes a scoring rule in words, for score stores, reports and tables.

Whether the auto-encoder is part of a score is said by these sentences alone. They are empty for a rule that is not
known: stores of older versions do not name theirs.
"""

from __future__ import annotations

from wsi_haloae.config.rules import RULES
from wsi_haloae.config.scoring import ScoringConfig


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


def map_words(name: str | None) -> str:
    """What the anomaly map shows beside a score of rule ``name``, as sentences."""
    rule = RULES.get(name or "")
    shown = "The map shows what the auto-encoder does not reconstruct."
    if rule is None:
        return shown
    if rule.explained_by_map:
        return f"{shown} The score may also measure what the map does not show."
    return f"{shown} It is not part of this score (rule {rule.name}) and does not explain it."


def map_title(name: str | None, title: str = "anomaly map") -> str:
    """``title`` for a picture of a map that belongs to rule ``name``; if it explains the score, unchanged."""
    rule = RULES.get(name or "")
    if rule is None or rule.explained_by_map:
        return title
    return f"{title} (what the auto-encoder does not reconstruct; not part of this score)"
