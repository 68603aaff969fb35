"""Baselines of tiles: those that compare cells know no positions, and a tile's score is their mean over its tissue."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.model.tiny import tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.baselines import by_cell
from wsi_haloae.baselines.by_cell import CFLOW, KNN, fit_by_cell
from wsi_haloae.baselines.model_features import ModelFeatures
from wsi_haloae.evaluation import tile_comparison
from wsi_haloae.evaluation.tile_comparison import fit_baselines
from wsi_haloae.progress import Reporter

CPU, QUIET = torch.device("cpu"), Reporter(quiet=True)


def test_maps_become_scores_by_their_mean_over_tissue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_cell, "PASSES", 1)
    monkeypatch.setattr(by_cell, "CORESET", 50)
    monkeypatch.setattr(tile_comparison, "BY_CELL_TILES", 6)
    checkpoint, source, tested = tiny_checkpoint(), MemorySource(9), MemorySource(3)
    tested.tiles[1, :, 24:] = 255  # glass
    train = np.arange(8)
    told = {
        one.name: one.scores
        for one in fit_baselines(checkpoint, source, train, CPU, QUIET).score(tested, np.arange(3), lambda _: None)
    }
    features = ModelFeatures(checkpoint, CPU)
    drawn = np.sort(np.random.default_rng(0).permutation(train)[:6])
    again = fit_by_cell(features.kept(source, drawn, lambda _: None), features.layer_channels, QUIET, positions=False)
    (cells,) = features.batches(tested, np.arange(3))
    left = slice(0, cells.shape[-1] // 2)
    for name in (KNN, CFLOW):
        maps: Tensor = again[name].maps(cells)
        expected = [maps[0].mean(), maps[1, :, left].mean(), maps[2].mean()]
        np.testing.assert_allclose(told[f"{name}, mean"], expected, rtol=1e-5)
