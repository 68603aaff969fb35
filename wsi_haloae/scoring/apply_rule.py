"""Applies one rule of the table to a batch.

With numbers: Measured -> numbers -> distance from what was learned from reference tiles, if anything -> score
Without:      Measured -> residual -> deviation from the mean map -> filter -> pooling -> score
              or a map of the rule's own                          -> filter -> pooling -> score
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name

from torch import Tensor

from wsi_haloae.config import Rule, ScoringConfig
from wsi_haloae.model.anomaly_map import normalise_map, smooth, spread
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.measured import Measured
from wsi_haloae.scoring.pooling import POOLINGS, counted


def score_by(rule: Rule, tiles: Measured, scoring: ScoringConfig) -> Tensor:
    """The score of each tile: (B,)."""
    numbers = numbers_by(rule, tiles, scoring)
    if rule.taught_by is None or rule.learner is not None:
        return numbers
    usual = tiles.reference.learned[rule.name]
    return usual.excess(numbers) if rule.one_sided else usual.distance(numbers)


def numbers_by(rule: Rule, tiles: Measured, scoring: ScoringConfig) -> Tensor:
    """The numbers that ``rule`` uses: (B, d) if it learns from those of reference tiles, otherwise the scores (B,)."""
    counted = tiles.everywhere if rule.cells == "all" else tiles
    if rule.numbers is not None:
        return _function(rule.numbers)(counted)
    how = scoring.by(rule)
    # The mean is taken before the filter, because the filter would spread the values of glass into tissue.
    pooled = _shown(rule, how, tiles) if how.pooling == "mean" else map_by(rule, tiles, scoring)
    return POOLINGS[how.pooling](pooled, counted.cells)


def map_by(rule: Rule, tiles: Measured, scoring: ScoringConfig) -> Tensor:
    """The anomaly map that is shown beside the score, smoothed if the settings say so: (B, m, m)."""
    how = scoring.by(rule)
    shown = _shown(rule, how, tiles)
    if not how.smooth:
        return shown
    return spread(shown, counted(tiles.cells)) if rule.map_adds_up else smooth(shown)


def _shown(rule: Rule, how: ScoringConfig, tiles: Measured) -> Tensor:
    return _deviation(how, tiles) if rule.shows is None else _function(rule.shows)(tiles)


def _deviation(how: ScoringConfig, tiles: Measured) -> Tensor:
    return normalise_map(_residual(how, tiles.found), tiles.reference.mean_maps[how.source], how.normalisation)


def _residual(how: ScoringConfig, found: Residuals) -> Tensor:
    if how.source == "image":
        assert found.image is not None, "blocks D and E run for source image"
        return found.image
    if how.residual == "ssim":
        assert found.dissimilarity is not None, "compared for the rules that need it"
        return found.dissimilarity
    return found.squared


def _function(place: str) -> Callable[[Measured], Tensor]:
    return resolve_name(place)  # type: ignore[no-any-return]
