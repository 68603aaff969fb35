"""Completes a trained model, so that it can score: statistics for the rules, a colour scale, p-values.

The rules learn what is usual from *validation* tiles, or from *train* tiles if they have many numbers. *Calibration*
tiles, which nothing else has seen, give the colour scale and the p-values; so do validation tiles for a rule that has
not learned from them. Descriptors do not depend on the auto-encoder: all tiles teach them, and all calibrate them
(`descriptors`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import DISPLAY_PERCENTILES
from wsi_haloae.adaptation.core import LEAST
from wsi_haloae.adaptation.standpoint import calibration_scores
from wsi_haloae.artefacts.flags import measure_all
from wsi_haloae.artefacts.limits import calibrate as calibrate_limits
from wsi_haloae.calibration.conformal import CalibrationFacts, ConformalCalibration
from wsi_haloae.calibration.reach import TILE_RATE, count_of_groups, independent_tiles, told_apart, why_none
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.calibration.selection import FDR, fine_enough, share_told_apart
from wsi_haloae.calibration.true_rate import true_share
from wsi_haloae.config import AUTO, RULES, Config, Rule
from wsi_haloae.errors import UsageError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.pages import percent
from wsi_haloae.progress import Advance, Reporter, with_noun
from wsi_haloae.scoring.learning import Pupil, learner_of, rounds
from wsi_haloae.scoring.open_scores import REFERENCE_QUANTILES
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.tiles.sources import TileSource, evenly, read_tiles
from wsi_haloae.training.afterwards import Afterwards
from wsi_haloae.training.choose_rule import choose_rule
from wsi_haloae.training.choose_rule import passes as choice_passes
from wsi_haloae.training.descriptors import DEFAULT_WEIGHT, CrossFitted, cross_fit, with_weight
from wsi_haloae.training.moments import measure_moments
from wsi_haloae.training.moments import passes as moment_passes
from wsi_haloae.training.split import Split, unit_of
from wsi_haloae.training.statistics import draw

MAP_TILES = 128
"""How many validation tiles are used for the range of maps: each map has thousands of cells."""
BATCH = 16


def calibrate(
    checkpoint: Checkpoint,
    source: TileSource,
    split: Split,
    groups: Sequence[str],
    device: torch.device,
    reporter: Reporter,
) -> Checkpoint:
    """Learn the rules, choose one if asked to, set the ranges, calibrate; ``groups`` has the group of each tile."""
    named_groups, validation, unit = np.asarray(groups), split.tiles["validation"], unit_of(groups, source)
    learned = _learn_descriptors(checkpoint, source, groups, device, reporter)
    described = with_weight(checkpoint, learned, DEFAULT_WEIGHT)
    with_rules = _learn_rules(described, source, split, device, reporter)
    if with_rules.facts.config.scoring.rule == AUTO:
        with reporter.track("Choosing the rule", choice_passes(validation), "tiles") as advance:
            with_rules, choice = choose_rule(with_rules, source, validation, named_groups, learned, device, advance)
        reporter.line(choice.describe(unit))
        if choice.warning:
            reporter.warn(choice.warning)
    scores, units = _held_out_scores(with_rules, source, split, named_groups, device, reporter)
    calibration = ConformalCalibration.fit(scores, units)
    mapped = evenly(validation, MAP_TILES)
    with reporter.track("Measuring the range of maps", len(mapped), "tiles") as advance:
        with_ranges = set_map_range(set_display_range(with_rules, scores), source, mapped, device, advance)
    shown, seen = as_reports_show(with_rules, calibration)
    reporter.line(describe(shown.facts, seen, unit))
    reporter.line(usual_scores(shown.quantiles(REFERENCE_QUANTILES), seen))
    return replace(with_ranges, calibration=calibration).with_facts(calibration=calibration.facts)


def afterwards(config: Config, source: TileSource, split: Split, groups: Sequence[str]) -> Afterwards:
    """What comes after the steps: the mean map, then what `calibrate` does (if it is to choose, by the usual rule)."""
    teachers, validation, rule = _teachers(split, config), split.tiles["validation"], config.scoring.rule
    chosen_by = choice_passes(validation) // 2 if rule == AUTO else 0  # tiles that are described, and then scored
    held_out = 0 if rule == AUTO or RULES[rule].in_metric else len(_held_out(RULES[rule], split))
    scored = len(teachers["train"]) + _lessons(config, teachers) + held_out + len(evenly(validation, MAP_TILES))
    return Afterwards(moment_passes(groups, source.blocks) + chosen_by, scored + chosen_by)


def _learn_descriptors(
    checkpoint: Checkpoint, source: TileSource, groups: Sequence[str], device: torch.device, reporter: Reporter
) -> CrossFitted:
    with reporter.track(
        "Describing tiles and changed copies", moment_passes(groups, source.blocks), "tiles"
    ) as advance:
        moments = measure_moments(checkpoint, source, groups, device, advance)
    return cross_fit(moments, checkpoint.facts.config.training.seed)


def _learn_rules(
    checkpoint: Checkpoint, source: TileSource, split: Split, device: torch.device, reporter: Reporter
) -> Checkpoint:
    """Let the rules learn from *validation* tiles and from a draw of *train* tiles."""
    config = checkpoint.facts.config
    teachers = _teachers(split, config)
    with reporter.track("Learning the rules", _lessons(config, teachers), "tiles") as advance:
        return learn_rules(checkpoint, source, teachers, device, advance)


def _teachers(split: Split, config: Config) -> dict[str, NDArray[np.int64]]:
    return {"validation": split.tiles["validation"], "train": draw(split.tiles["train"], config)}


def _lessons(config: Config, teachers: Mapping[str, NDArray[np.int64]]) -> int:
    """How many tiles the rules look at, round by round."""
    return sum(len(_taught_by(rules, teachers)) for rules in rounds(*config.scoring.asked))


def _held_out_scores(
    checkpoint: Checkpoint,
    source: TileSource,
    split: Split,
    groups: NDArray[np.str_],
    device: torch.device,
    reporter: Reporter,
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Scores (m,) of reference tiles from which the checkpoint's rule has not learned, and their groups (m,)."""
    rule = RULES[checkpoint.facts.config.scoring.rule]
    if rule.in_metric:
        assert checkpoint.descriptors is not None, "the metric is learned before a rule is chosen"
        scores, units = calibration_scores(checkpoint.descriptors.reference, "none", 0)
        return scores, units.astype(np.str_)
    tiles = _held_out(rule, split)
    with reporter.track("Calibrating", len(tiles), "tiles") as advance:
        found = score_source(Scorer(checkpoint, device, BATCH), source, tiles, advance)
    return found.score, groups[tiles]


def _held_out(rule: Rule, split: Split) -> NDArray[np.int64]:
    """The tiles that the rule has not learned from, ascending."""
    parts = ["calibration", "validation"] if rule.spares_validation else ["calibration"]
    return np.sort(np.concatenate([split.tiles[part] for part in parts]))


def as_reports_show(checkpoint: Checkpoint, calibration: ConformalCalibration) -> tuple[ConformalCalibration, str]:
    """The calibration that the report of an ordinary slide will show, and from where its tiles are seen.

    The checkpoint keeps that of a slide of whose level nothing is known; scores that adapt are calibrated again.
    """
    if not RULES[checkpoint.facts.config.scoring.rule].in_metric:
        return calibration, ""
    assert checkpoint.descriptors is not None, "the metric is learned before a rule is chosen"
    scores, units = calibration_scores(checkpoint.descriptors.reference, "slide", LEAST)
    return ConformalCalibration.fit(scores, units.astype(np.str_)), "adapted to their own slides"


def learn_rules(
    checkpoint: Checkpoint,
    source: TileSource,
    teachers: Mapping[str, NDArray[np.int64]],
    device: torch.device,
    advance: Advance,
) -> Checkpoint:
    """Add what the rules and quality-control flags learn from reference tiles: distributions and limits.

    ``teachers`` has the numbers of the *train* and *validation* tiles to learn from.
    """
    for rules in rounds(*checkpoint.facts.config.scoring.asked):
        learned = taught(checkpoint, rules, source, _taught_by(rules, teachers), device, advance)
        checkpoint = replace(checkpoint, gaussians={**checkpoint.gaussians, **learned})
    glass_level = checkpoint.facts.config.scoring.glass_level
    measured = [measure_all(read_tiles(source, some), glass_level) for some in _batches(teachers["validation"])]
    return checkpoint.with_facts(artefacts=calibrate_limits(np.concatenate(measured)))


def taught(
    checkpoint: Checkpoint,
    rules: Sequence[Rule],
    source: TileSource,
    tiles: NDArray[np.int64],
    device: torch.device,
    advance: Advance,
) -> dict[str, Gaussian]:
    """What reference ``tiles`` teach the rules, in one pass."""
    learners = {rule.name: learner_of(rule, checkpoint.facts.config.scoring) for rule in rules}
    show(checkpoint, learners.values(), source, tiles, device, advance)
    return {name: learner.learned() for name, learner in learners.items()}


def show(
    checkpoint: Checkpoint,
    pupils: Collection[Pupil],
    source: TileSource,
    tiles: NDArray[np.int64],
    device: torch.device,
    advance: Advance,
) -> None:
    """Show ``tiles`` of a source to each of the pupils, in one pass."""
    scorer = Scorer(checkpoint, device, BATCH)
    for some in _batches(tiles):
        scorer.teach(pupils, read_tiles(source, some))
        advance(len(some))


def set_display_range(checkpoint: Checkpoint, scores: NDArray[np.float32]) -> Checkpoint:
    """Set the ends of the colour bar from held-out reference tiles' scores (n,), to be the same on every slide.

    The classifier's probability has fixed ends, because a confident classifier gives all held-out tiles the same value.
    """
    ends = RULES[checkpoint.facts.config.scoring.rule].display_range
    if ends is not None:
        return checkpoint.with_facts(display_range=ends)
    low, high = np.percentile(scores, DISPLAY_PERCENTILES)
    if not low < high:
        raise UsageError(
            "all held-out tiles have the same score, so there is no colour scale; train on more varied tiles."
        )
    return checkpoint.with_facts(display_range=(float(low), float(high)))


def set_map_range(
    checkpoint: Checkpoint, source: TileSource, validation: NDArray[np.int64], device: torch.device, advance: Advance
) -> Checkpoint:
    """The same for the cells of anomaly maps; None if all cells are equal, as with an untrained model."""
    maps = score_source(Scorer(checkpoint, device, BATCH), source, validation, advance, keep_maps=True).anomaly_map
    assert maps is not None, "keep_maps was set"
    low, high = np.percentile(maps, DISPLAY_PERCENTILES)
    return checkpoint.with_facts(map_range=(float(low), float(high)) if low < high else None)


def describe(facts: CalibrationFacts, seen: str = "", unit: str = "group") -> str:
    """One line on how small p-values can be, at which error rate tiles will be called, and how far it may be kept.

    ``seen`` says how the tiles were adapted; ``unit`` is what the groups are (`split.unit_of`).
    """
    calibrated = (
        f"calibration: {with_noun(facts.tiles, 'tile')} of {count_of_groups(facts, unit)}{seen and f', {seen}'}, worth "
        f"{independent_tiles(facts)} independent tiles"
    )
    reason = why_none(facts.smallest_p)
    if reason is not None:
        return f"{calibrated}. {reason} Add more patients or slides."
    fine = f"{calibrated}; smallest p-value {told_apart(facts.smallest_p, TILE_RATE)}; "
    if fine_enough(facts.smallest_p, FDR):
        return f"{fine}tiles are called at a false-discovery rate of {percent(FDR)}. {true_share(facts)}"
    return (
        f"{fine}a false-discovery rate of {percent(FDR)} could not call less than "
        f"{share_told_apart(facts.smallest_p / FDR)}\N{NO-BREAK SPACE}% of a slide, so tiles are called at a per-tile "
        f"error rate of {percent(TILE_RATE)}. {true_share(facts)}"
    )


def _taught_by(rules: Sequence[Rule], teachers: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """The tiles that the rules of one round learn from."""
    part = rules[0].taught_by
    assert part is not None, "a round has only rules that learn"
    return teachers[part]


def _batches(tiles: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH)]
