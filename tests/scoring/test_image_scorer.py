"""Images are scored by every rule that their command takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.model.tiny import TILE, tiny_checkpoint
from wsi_haloae.config import RULES, ScoringConfig
from wsi_haloae.scoring.image_scorer import ImageResiduals, score_residuals

CELLS = TILE // 4
BY_NUMPY = {
    "mean": lambda maps: maps.mean(axis=(1, 2)),
    "p95": lambda maps: np.quantile(maps.reshape(len(maps), -1), 0.95, axis=1),
    "max": lambda maps: maps.max(axis=(1, 2)),
}


def scored(found: ImageResiduals, **scoring: Any) -> np.ndarray:
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(glass_level=None, **scoring)})
    return score_residuals(found, checkpoint.with_facts(config=config)).score


def residuals(score: np.ndarray | None = None) -> ImageResiduals:
    torch.manual_seed(0)
    damaged = np.linspace(0, 1, 5, dtype=np.float32)
    return ImageResiduals(torch.rand(5, CELLS, CELLS), torch.rand(5, CELLS, CELLS), damaged, score)


@pytest.mark.parametrize("pooling", BY_NUMPY)
def test_each_pooling_is_numpys(pooling: str) -> None:
    found = residuals()
    score = scored(found, pooling=pooling, normalisation="none", smooth=False)
    np.testing.assert_allclose(score, BY_NUMPY[pooling](found.features.numpy()), rtol=1e-6)


def test_a_rule_with_numbers_of_its_own_pools_no_map() -> None:
    own = np.linspace(0, 1, 5, dtype=np.float32)
    np.testing.assert_array_equal(scored(residuals(own), rule="classifier"), own)


@pytest.mark.parametrize("name", [name for name in RULES if ScoringConfig(rule=name).for_images])
def test_every_rule_for_images_scores_them(name: str) -> None:
    own = np.linspace(0, 1, 5, dtype=np.float32) if RULES[name].numbers else None
    assert np.isfinite(scored(residuals(own), rule=name)).all()
