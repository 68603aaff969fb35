"""What the trained auto-encoder adds to plain statistics of its own features, measured on the user's own tiles.

The reference tiles come from the calibration groups, which nothing has learned from but the metric of `descriptor`:
that is learned again without them. They are compared with labelled anomalous tiles if there are any, otherwise with
synthetic anomalies made from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.atomic import write_text
from wsi_haloae.config import DESCRIPTOR, autoencoder_words
from wsi_haloae.evaluation.comparison import ComparedMethod, compare_methods
from wsi_haloae.evaluation.comparison_table import markdown_comparison, verdict, write_comparison
from wsi_haloae.evaluation.judgement import few_groups_of
from wsi_haloae.evaluation.tile_comparison import all_methods, score_name
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.stain_matching import as_trained
from wsi_haloae.tiles.sources import CombinedSource, TileSource
from wsi_haloae.tiles.views import Chosen
from wsi_haloae.training.anomaly_scores import synthetic_anomalies_of
from wsi_haloae.training.descriptors import cross_fit, weight_of
from wsi_haloae.training.moments import measure_moments, moments_of
from wsi_haloae.training.moments import passes as moment_passes
from wsi_haloae.training.reference import Reference

NAME = "baselines"
BATCH = 16
NOT_MARKS = (
    "These figures are not the marks of the choice of a rule: a mark compares altered tiles with others of another "
    "stain, focus or scanner, and here anomalous tiles are compared with unaltered reference tiles."
)
"""Said where both are seen: a score may do well in one and badly in the other."""


def report_added_value(
    checkpoint: Checkpoint,
    reference: Reference,
    anomalous: TileSource | None,
    folder: Path,
    device: torch.device,
    reporter: Reporter,
) -> None:
    """``--baselines``: compare a trained model on its reference tiles, and on anomalous tiles if there are any."""
    seen = as_trained(reference.source, checkpoint)
    others = as_trained(anomalous, checkpoint) if anomalous else None
    _report(checkpoint, seen, reference, others, folder, device, reporter)
    reporter.line(f"{folder / f'{NAME}.md'}: the score, other rules, baselines and plain statistics side by side")


def _report(
    checkpoint: Checkpoint,
    source: TileSource,
    known: Reference,
    anomalous: TileSource | None,
    folder: Path,
    device: torch.device,
    reporter: Reporter,
) -> None:
    """Write ``baselines.md``, ``.json`` and a picture for each kind of anomaly to ``folder``; print the verdicts."""
    held_out = known.split.tiles["calibration"]
    reference = Chosen(source, held_out)
    seed = checkpoint.facts.config.training.seed
    others = {"labelled tiles": anomalous} if anomalous else synthetic_anomalies_of(reference, seed)
    tested = CombinedSource([reference, *others.values()])
    methods = all_methods(checkpoint, source, known.split.tiles["train"], tested, device, reporter)
    if checkpoint.descriptors is not None:
        own = np.asarray(known.groups)[held_out]
        units = np.concatenate([own, *(np.asarray(one.groups) if anomalous else own for one in others.values())])
        found = held_out_scores(checkpoint, source, known.groups, tested, units, device, reporter)
        names = {DESCRIPTOR, score_name(DESCRIPTOR)}
        methods = [replace(one, scores=found) if one.name in names else one for one in methods]
    groups = np.asarray(tested.groups)
    parts = _places([len(reference.groups), *(len(other.groups) for other in others.values())])
    reporter.line("comparing methods, with confidence intervals by bootstrap over groups")
    results: dict[str, list[ComparedMethod]] = {}
    for name, place in zip(others, parts[1:], strict=True):
        judged = np.concatenate([parts[0], place])
        labels = np.repeat([False, True], [len(parts[0]), len(place)])
        picked = [type(one)(one.name, one.kind, one.scores[judged]) for one in methods]
        results[name] = compare_methods(picked, labels, groups[judged])
    counts = {name: len(set(groups[place].tolist())) for name, place in zip(("reference", *others), parts, strict=True)}
    few = few_groups_of(counts, "groups", next(iter(results.values()))[0].auroc_interval)
    rule = checkpoint.facts.config.scoring.rule
    _write(folder, results, rule, few, labelled=anomalous is not None)
    for name, result in results.items():
        reporter.line(f"{name}: {verdict(result, score_name(rule))}")
    reporter.line(f"  {NOT_MARKS}")
    if few:
        reporter.warn(few)


def held_out_scores(
    checkpoint: Checkpoint,
    source: TileSource,
    groups: Sequence[str],
    tested: TileSource,
    units: NDArray[np.str_],
    device: torch.device,
    reporter: Reporter,
) -> NDArray[np.float32]:
    """Scores (n,) of ``tested`` by `descriptor`, in metrics that their groups ``units`` (n,) did not teach.

    The checkpoint's metric has learned from all tiles of ``source``, and a basis of few tiles fits these otherwise than
    others: altered copies of them can lie nearer to the centre than they do.
    """
    assert checkpoint.descriptors is not None, "asked only with descriptors"
    numbers, seed = np.arange(len(units)), checkpoint.facts.config.training.seed
    with reporter.track(
        "Describing tiles and changed copies", moment_passes(groups, source.blocks) + len(numbers), "tiles"
    ) as advance:
        learned = cross_fit(measure_moments(checkpoint, source, groups, device, advance), seed)
        moments = moments_of(Scorer(checkpoint, device, BATCH), tested, numbers, advance)
    return learned.held_out_distances(moments, units, weight_of(checkpoint.descriptors.reference, learned))


def _places(lengths: list[int]) -> list[NDArray[np.int64]]:
    edges = np.cumsum([0, *lengths])
    return [np.arange(low, high) for low, high in pairwise(edges)]


def _write(
    folder: Path, results: Mapping[str, list[ComparedMethod]], rule: str, few: str | None, *, labelled: bool
) -> None:
    against = "labelled anomalous tiles" if labelled else "synthetic anomalies made from them (no labels)"
    introduction = (
        f"Held-out reference tiles of the calibration groups against {against}. The baselines are fitted on the "
        "training tiles, on the model's own features. The best baseline is chosen on the tiles shown here, which "
        f"favours it. The metric of {DESCRIPTOR} is learned again without the tiles that it scores here. "
        f"{autoencoder_words(rule)}\n"
    )
    text = ["# The score beside baselines\n", introduction, f"{NOT_MARKS}\n", *([f"{few}\n"] if few else [])]
    for name, methods in results.items():
        text += [f"## {name.capitalize()}\n", f"{verdict(methods, score_name(rule))}.\n", markdown_comparison(methods)]
        write_comparison(folder / f"{NAME}-{name.replace(' ', '-')}.png", methods, f"reference against {name}")
    write_text(folder / f"{NAME}.md", "\n".join(text))
    as_dicts = {name: [asdict(one) for one in methods] for name, methods in results.items()}
    write_text(folder / f"{NAME}.json", json.dumps(as_dicts, indent=2) + "\n")
