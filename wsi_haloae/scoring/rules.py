"""Scoring rules: residual -> normalisation -> pooling, each rule one configuration of the same pieces.

Every tile is scored by all rules of `RULES` in one pass, so that they can be compared on any slide
without scoring it again; ``score`` is the one that the checkpoint's configuration names.
docs/scoring.md explains them with pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from wsi_haloae.config import ScoringConfig
from wsi_haloae.model.anomaly_map import normalise_map, smooth
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.pooling import OVER, mean_over
from wsi_haloae.scoring.summaries import SUMMARIES, Measured, score_summary

RULES: Mapping[str, Mapping[str, Any]] = {
    "tissue": {"residual": "mse", "normalisation": "none", "pooling": "mean"},
    "signed": {"normalisation": "signed", "pooling": "mean", "glass_level": None},
    "absolute": {"normalisation": "absolute", "pooling": "mean"},
    "ssim": {"residual": "ssim", "normalisation": "none", "pooling": "mean"},
    "ssim_p95": {"residual": "ssim", "normalisation": "none", "pooling": "p95", "smooth": False},
    "p95": {"residual": "mse", "normalisation": "none", "pooling": "p95", "smooth": False},
    "max": {"residual": "mse", "normalisation": "none", "pooling": "max", "smooth": False},
    "layers": {"pooling": "layers"},
    "layers_ssim": {"pooling": "layers_ssim"},
    "structure": {"pooling": "structure"},
    "profile": {"pooling": "profile"},
    "content": {"pooling": "content"},
    "combined": {"pooling": "combined"},
}
"""What each named rule sets; ``glass_level: None`` counts glass as well.

Signed and absolute are those of the configuration's residual, whose mean map the checkpoint holds.
The paper's own rule always stands beside these.
"""


def named_rules(config: ScoringConfig) -> dict[str, ScoringConfig]:
    """Every named rule, at the configuration's glass level."""
    base = {"source": "features", "residual": config.residual, "glass_level": config.glass_level}
    return {name: ScoringConfig.model_validate({**base, **settings}) for name, settings in RULES.items()}


def rule_words(rule: ScoringConfig) -> str:
    """The rule in words, as a score store records it."""
    if rule.pooling == "classifier":
        return "P(damaged) of the classifier"
    cells = "all cells" if rule.glass_level is None else "tissue cells"
    if rule.pooling in _SUMMARY_WORDS:
        return f"{_SUMMARY_WORDS[rule.pooling]} over {cells}"
    residual = {"features": "A_fm", "image": "A_im"}[rule.source]
    if rule.residual == "ssim":
        residual = "(1 - SSIM)"
    deviation = {
        "absolute": f"|{residual} - mean training map|",
        "signed": f"{residual} - mean training map",
        "none": residual,
    }[rule.normalisation]
    if rule.pooling == "mean":
        return f"mean over {cells} of {deviation}"
    pooling = {"max": "maximum", "p95": "95th percentile"}[rule.pooling]
    return f"{pooling} over {cells} of {'smoothed ' if rule.smooth else ''}{deviation}"


_SUMMARY_WORDS = {
    "layers": "Mahalanobis distance of the layers' log residuals",
    "layers_ssim": "Mahalanobis distance of the layers' log residuals and dissimilarities",
    "structure": "1 - SSIM of the deepest layer",
    "profile": "Mahalanobis distance of the channels' log unexplained shares of variance",
    "content": "Mahalanobis distance of the features' means",
    "combined": "mean of the standardised logs of the rules structure, profile and content",
}
_OF_STRUCTURE = frozenset({"structure", "profile", "content", "combined"})
"""Rules whose map shows where the structure of the deepest layer is lost."""


def final_map(rule: ScoringConfig, found: Residuals, mean_map: Tensor) -> Tensor:
    """The anomaly map (B, m, m) of a rule: normalised, then filtered if the rule says so.

    A rule that looks at the structure of the deepest layer shows where it is lost.
    """
    deviation = _deviation(rule, found, mean_map)
    return smooth(deviation) if rule.smooth else deviation


def pool(rule: ScoringConfig, tiles: Measured, mean_map: Tensor, gaussians: Mapping[str, Gaussian]) -> Tensor:
    """The score of each tile of a batch, (B,), over the cells that count."""
    found = tiles.found
    if rule.pooling == "classifier":
        assert found.damaged is not None, "blocks D and E run for this pooling"
        return found.damaged
    if rule.pooling in SUMMARIES:
        return score_summary(rule.pooling, tiles, gaussians)
    if rule.pooling in {"mean", "structure"}:  # before the filter, which would carry glass into tissue
        return mean_over(_deviation(rule, found, mean_map), tiles.cells)
    assert rule.pooling in OVER, f"pooling {rule.pooling} does not score: it stands for a rule that is yet to be chosen"
    return OVER[rule.pooling](final_map(rule, found, mean_map), tiles.cells)


def _deviation(rule: ScoringConfig, found: Residuals, mean_map: Tensor) -> Tensor:
    if rule.pooling in _OF_STRUCTURE:
        assert found.layer_dissimilarities is not None, "computed wherever tiles are scored"
        return found.layer_dissimilarities[:, -1]
    return normalise_map(_residual(rule, found), mean_map, rule.normalisation)


def _residual(rule: ScoringConfig, found: Residuals) -> Tensor:
    if rule.source == "image":
        assert found.image is not None, "blocks D and E run for this source"
        return found.image
    if rule.residual == "ssim":
        assert found.dissimilarity is not None, "computed wherever tiles are scored"
        return found.dissimilarity
    return found.squared
