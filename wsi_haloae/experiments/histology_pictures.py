"""Draws how the rules score labelled tiles: distributions of scores, and two kinds of map side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.config import map_title
from wsi_haloae.evaluation.comparison import MethodScores, best_baseline
from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.experiments.tile_pictures import MappedTile, write_map_sheet, write_score_histograms
from wsi_haloae.features.preprocessing import to_unit
from wsi_haloae.model.anomaly_map import smooth
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.residuals import residuals
from wsi_haloae.tiles.sources import TileSource, read_tiles

QUANTILES = (0.1, 0.5, 0.9)
"""Which tiles of each class are drawn: those at these quantiles of the scores of their class."""
SHOWN = ("HaloAE", "HaloAE: paper")


def write_pictures(
    folder: Path,
    checkpoint: Checkpoint,
    labelled: LabelledSource,
    methods: Sequence[MethodScores],
    device: torch.device,
) -> None:
    """``scores.png`` and ``maps.png``."""
    tested, anomalous = labelled.source, labelled.anomalous
    scores = {one.name: one.scores for one in methods}
    baselines = {one.name: auroc(one.scores, anomalous) for one in methods if one.kind == "baseline"}
    names = [*SHOWN, *(name for name in (best_baseline(baselines),) if name)]
    write_score_histograms(folder / "scores.png", {name: scores[name] for name in names}, anomalous)
    chosen = np.concatenate([_spread(scores["HaloAE"], kind) for kind in (~anomalous, anomalous)])
    write_map_sheet(folder / "maps.png", _mapped(checkpoint, tested, chosen, anomalous, scores["HaloAE"], device))


def _spread(scores: NDArray[np.floating], kind: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Tiles of a kind at the `QUANTILES` of their scores."""
    numbers = np.flatnonzero(kind)
    order = numbers[np.argsort(scores[numbers], kind="stable")]
    return order[[round(share * (len(order) - 1)) for share in QUANTILES]]


@torch.inference_mode()
def _mapped(
    checkpoint: Checkpoint,
    source: TileSource,
    numbers: NDArray[np.int64],
    anomalous: NDArray[np.bool_],
    scores: NDArray[np.floating],
    device: torch.device,
) -> list[MappedTile]:
    tiles = torch.from_numpy(read_tiles(source, numbers))
    model, config = checkpoint.model.to(device).eval(), checkpoint.facts.config
    found = residuals(model, to_unit(tiles.to(device)), checkpoint.feature_range.to(device), config, compared="deepest")
    assert found.layer_dissimilarities is not None, "the deepest was compared"
    squared = smooth(found.squared).cpu().numpy()
    lost = smooth(found.layer_dissimilarities[:, -1]).cpu().numpy()
    names = [map_title(config.scoring.rule, name) for name in ("A_fm", "lost structure")]
    return [
        MappedTile(tile, bool(anomalous[number]), float(scores[number]), dict(zip(names, (one, other), strict=True)))
        for tile, number, one, other in zip(tiles.numpy(), numbers, squared, lost, strict=True)
    ]
