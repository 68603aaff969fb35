"""Describes a scoring rule in words, for score stores, reports and tables."""

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
