"""Completes a trained model, so that it can score: statistics for the rules, a colour scale, p-values.

The rules learn what is usual from *validation* tiles, or from *train* tiles if they have many numbers. Validation
tiles also set the colour scale. *Calibration* tiles, which nothing else has seen, give the p-values. Descriptors learn
nothing from validation tiles but which of few weights to use, so for them both parts give the p-values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import DISPLAY_PERCENTILES
from wsi_haloae.artefacts.flags import measure_all
from wsi_haloae.artefacts.limits import calibrate as calibrate_limits
from wsi_haloae.calibration.conformal import CalibrationFacts, ConformalCalibration
from wsi_haloae.calibration.reach import TILE_RATE, independent_tiles, told_apart, why_none
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.calibration.selection import FDR, fine_enough, share_told_apart
from wsi_haloae.calibration.true_rate import true_share
from wsi_haloae.config import AUTO, RULES, Rule
from wsi_haloae.errors import UsageError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.scoring.learning import learn, rounds
from wsi_haloae.scoring.open_scores import REFERENCE_QUANTILES
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.stores.score_store import TileScores
from wsi_haloae.tiles.sources import TileSource, evenly, read_tiles
from wsi_haloae.training.choose_rule import choose_rule, describe_choice, drawn
from wsi_haloae.training.descriptors import DEFAULT_WEIGHT, measure_spreads, with_calibration, with_weight
from wsi_haloae.training.descriptors import passes as descriptor_passes
from wsi_haloae.training.split import Split
from wsi_haloae.training.statistics import draw
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

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
    validation, held_back = split.tiles["validation"], split.tiles["calibration"]
    teachers = {"validation": validation, "train": draw(split.tiles["train"], checkpoint.facts.config)}
    named = checkpoint.facts.config.scoring.rule
    passes = sum(len(_taught_by(rules, teachers)) for rules in rounds(named))
    passes += descriptor_passes(teachers["train"])
    auto = named == AUTO
    if auto:
        passes += len(drawn(validation)) * (1 + len(SYNTHETIC_ANOMALIES))
    mapped = evenly(validation, MAP_TILES)
    with reporter.track("Calibrating", passes + len(validation) + len(mapped) + len(held_back), "tiles") as advance:
        measured = measure_spreads(checkpoint, source, teachers["train"], device, advance)
        described = with_weight(checkpoint, *measured, DEFAULT_WEIGHT)
        with_rules = learn_rules(described, source, teachers, device, advance)
        if auto:
            with_rules = choose_rule(with_rules, source, validation, measured, device, advance)
        others = score_source(Scorer(with_rules, device, BATCH), source, validation, advance)
        with_scale = set_display_range(with_rules, others.score)
        with_range = set_map_range(with_scale, source, mapped, device, advance)
        found = score_source(Scorer(with_range, device, BATCH), source, held_back, advance)
    if with_range.facts.rule_marks is not None:
        reporter.line(describe_choice(with_range.facts.rule_marks, with_range.facts.config.scoring.rule))
    named_groups = np.asarray(groups)
    held_out = TileScores.joined([others, found])
    units = np.concatenate([named_groups[validation], named_groups[held_back]])
    described = with_calibration(with_range, held_out, units)
    if RULES[described.facts.config.scoring.rule].in_metric:
        calibration = ConformalCalibration.fit(held_out.score, units)
    else:
        calibration = ConformalCalibration.fit(found.score, named_groups[held_back])
    reporter.line(describe(calibration.facts))
    reporter.line(usual_scores(calibration.quantiles(REFERENCE_QUANTILES)))
    return replace(described, calibration=calibration).with_facts(calibration=calibration.facts)


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
    for rules in rounds(checkpoint.facts.config.scoring.rule):
        scorer, batches = Scorer(checkpoint, device, BATCH), []
        for some in _batches(_taught_by(rules, teachers)):
            batches.append(scorer.numbers(rules, read_tiles(source, some)))
            advance(len(some))
        learned = {rule.name: learn(rule, np.concatenate([batch[rule.name] for batch in batches])) for rule in rules}
        checkpoint = replace(checkpoint, gaussians={**checkpoint.gaussians, **learned})
    glass_level = checkpoint.facts.config.scoring.glass_level
    measured = [measure_all(read_tiles(source, some), glass_level) for some in _batches(teachers["validation"])]
    return checkpoint.with_facts(artefacts=calibrate_limits(np.concatenate(measured)))


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


def describe(facts: CalibrationFacts) -> str:
    """One line on how small p-values can be, at which error rate tiles will be called, and how far it may be kept."""
    calibrated = (
        f"calibration: {facts.tiles:,} tiles of {facts.groups:,} groups, worth {independent_tiles(facts)} independent "
        "tiles"
    )
    reason = why_none(facts.smallest_p)
    if reason is not None:
        return f"{calibrated}. {reason} Add more patients or slides."
    fine = f"{calibrated}; smallest p-value {told_apart(facts.smallest_p, TILE_RATE)}; "
    if fine_enough(facts.smallest_p, FDR):
        return f"{fine}tiles are called at a false-discovery rate of {FDR:.0%}. {true_share(facts)}"
    return (
        f"{fine}a false-discovery rate of {FDR:.0%} could not call less than "
        f"{share_told_apart(facts.smallest_p / FDR)}% of a slide, so tiles are called at a per-tile error rate of "
        f"{TILE_RATE:.0%}. {true_share(facts)}"
    )


def _scores(
    checkpoint: Checkpoint, source: TileSource, tiles: NDArray[np.int64], device: torch.device, advance: Advance
) -> NDArray[np.float32]:
    return score_source(Scorer(checkpoint, device, BATCH), source, tiles, advance).score


def _taught_by(rules: Sequence[Rule], teachers: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """The tiles that the rules of one round learn from."""
    part = rules[0].taught_by
    assert part is not None, "a round has only rules that learn"
    return teachers[part]


def _batches(tiles: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH)]
