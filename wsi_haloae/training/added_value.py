"""What the trained auto-encoder adds to plain statistics of its own features, measured on the user's own tiles.

The reference tiles come from the calibration groups, which nothing has learned from but the metric of `descriptor`.
They are compared with labelled anomalous tiles if there are any, otherwise with synthetic anomalies made from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
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
from wsi_haloae.scoring.stain_matching import as_trained
from wsi_haloae.tiles.sources import CombinedSource, TileSource
from wsi_haloae.tiles.views import Chosen
from wsi_haloae.training.anomaly_scores import synthetic_anomalies_of
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.split import Split

NAME = "baselines"
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
    _report(checkpoint, seen, reference.split, others, folder, device, reporter)
    reporter.line(f"{folder / f'{NAME}.md'}: the score, other rules, baselines and plain statistics side by side")


def _report(
    checkpoint: Checkpoint,
    source: TileSource,
    split: Split,
    anomalous: TileSource | None,
    folder: Path,
    device: torch.device,
    reporter: Reporter,
) -> None:
    """Write ``baselines.md``, ``.json`` and a picture for each kind of anomaly to ``folder``; print the verdicts."""
    reference = Chosen(source, split.tiles["calibration"])
    seed = checkpoint.facts.config.training.seed
    others = {"labelled tiles": anomalous} if anomalous else synthetic_anomalies_of(reference, seed)
    tested = CombinedSource([reference, *others.values()])
    methods = all_methods(checkpoint, source, split.tiles["train"], tested, device, reporter)
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
        f"favours it; the metric of {DESCRIPTOR} has learned from these reference tiles, too, which favours "
        f"{DESCRIPTOR}. {autoencoder_words(rule)}\n"
    )
    text = ["# The score beside baselines\n", introduction, f"{NOT_MARKS}\n", *([f"{few}\n"] if few else [])]
    for name, methods in results.items():
        text += [f"## {name.capitalize()}\n", f"{verdict(methods, score_name(rule))}.\n", markdown_comparison(methods)]
        write_comparison(folder / f"{NAME}-{name.replace(' ', '-')}.png", methods, f"reference against {name}")
    write_text(folder / f"{NAME}.md", "\n".join(text))
    as_dicts = {name: [asdict(one) for one in methods] for name, methods in results.items()}
    write_text(folder / f"{NAME}.json", json.dumps(as_dicts, indent=2) + "\n")
