"""What the trained auto-encoder adds to plain statistics of its own features, measured on the user's own tiles.

The reference tiles come from the calibration groups, which nothing has learned from. They are compared with labelled
anomalous tiles if there are any, otherwise with synthetic anomalies made from them.
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
from wsi_haloae.config import autoencoder_words
from wsi_haloae.evaluation.comparison import ComparedMethod, compare_methods
from wsi_haloae.evaluation.comparison_table import markdown_comparison, verdict, write_comparison
from wsi_haloae.evaluation.tile_comparison import all_methods
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.stain_matching import as_trained
from wsi_haloae.tiles.sources import CombinedSource, TileSource
from wsi_haloae.tiles.views import Chosen
from wsi_haloae.training.anomaly_scores import synthetic_anomalies_of
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.split import Split

NAME = "baselines"


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
    reporter.line(f"{folder / f'{NAME}.md'}: HaloAE, its baselines and plain statistics side by side")


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
    results = {}
    for name, place in zip(others, parts[1:], strict=True):
        judged = np.concatenate([parts[0], place])
        labels = np.repeat([False, True], [len(parts[0]), len(place)])
        picked = [type(one)(one.name, one.kind, one.scores[judged]) for one in methods]
        results[name] = compare_methods(picked, labels, groups[judged])
    _write(folder, results, checkpoint.facts.config.scoring.rule, labelled=anomalous is not None)
    for name, result in results.items():
        reporter.line(f"{name}: {verdict(result)}")


def _places(lengths: list[int]) -> list[NDArray[np.int64]]:
    edges = np.cumsum([0, *lengths])
    return [np.arange(low, high) for low, high in pairwise(edges)]


def _write(folder: Path, results: Mapping[str, list[ComparedMethod]], rule: str, *, labelled: bool) -> None:
    against = "labelled anomalous tiles" if labelled else "synthetic anomalies made from them (no labels)"
    introduction = (
        f"Held-out reference tiles of the calibration groups against {against}. The baselines are fitted on the "
        "training tiles, on HaloAE's own features. The best baseline is chosen on the tiles shown here, which favours "
        f"it. The row HaloAE is the model's score. {autoencoder_words(rule)}\n"
    )
    text = ["# What HaloAE adds\n", introduction]
    for name, methods in results.items():
        text += [f"## {name.capitalize()}\n", f"{verdict(methods)}.\n", markdown_comparison(methods)]
        write_comparison(folder / f"{NAME}-{name.replace(' ', '-')}.png", methods, f"reference against {name}")
    write_text(folder / f"{NAME}.md", "\n".join(text))
    as_dicts = {name: [asdict(one) for one in methods] for name, methods in results.items()}
    write_text(folder / f"{NAME}.json", json.dumps(as_dicts, indent=2) + "\n")
