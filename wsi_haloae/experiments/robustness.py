"""Scores tiles with a trained model after changes of stain, scanner or compression."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.atomic import write_text
from wsi_haloae.calibration.reach import reaches
from wsi_haloae.experiments.robustness_table import LEVEL, markdown_robustness, robustness_row, write_robustness
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.scoring.stain_matching import as_trained
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.tiles.views import Change, Changed

Tile = NDArray[np.uint8]
BATCH = 16
UNCHANGED = "unchanged"


def measure_robustness(
    checkpoint: Checkpoint,
    reference: TileSource,
    anomalous: TileSource | None,
    output: Path,
    device: torch.device,
    reporter: Reporter,
) -> None:
    """Write ``robustness.md``, ``.json`` and ``.png`` to ``output``: every change of `PERTURBATIONS`, and no change."""
    scorer = Scorer(checkpoint, device, BATCH)
    changes = {UNCHANGED: _numbered(lambda tile: tile)}
    changes |= {name: _numbered(change) for name, change in PERTURBATIONS.items()}
    total = len(changes) * (len(reference.groups) + (len(anomalous.groups) if anomalous else 0))
    calibration = checkpoint.facts.calibration
    can_call = calibration is not None and reaches(calibration.smallest_p, LEVEL)
    rows, scores = [], []
    with reporter.track("Scoring changed tiles", total, "tiles") as advance:
        for name, change in changes.items():
            changed = _score(scorer, as_trained(Changed(reference, change, name), checkpoint), advance)
            other = np.empty(0, np.float32)
            if anomalous:
                other = _score(scorer, as_trained(Changed(anomalous, change, name), checkpoint), advance).score
            scores.append((name, changed.score))
            p_values = changed.p_value if can_call else None
            rows.append(robustness_row(name, scores[0][1], changed.score, p_values, other))
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "robustness.md", markdown_robustness(rows))
    write_text(output / "robustness.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    write_robustness(output / "robustness.png", scores)
    reporter.line(f"{output / 'robustness.md'}: {len(rows)} rows")


def _numbered(change: Callable[[Tile], Tile]) -> Change:
    return lambda tile, _number: change(tile)


def _score(scorer: Scorer, source: TileSource, advance: Advance) -> TileScores:
    return score_source(scorer, source, np.arange(len(source.groups)), advance)
