"""Images are scored by every rule that their command takes, and by no other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.tiny import TILE, tiny_checkpoint
from wsi_haloae.config import ScoringConfig
from wsi_haloae.scoring.image_scorer import IMAGE_POOLINGS, ImageResiduals, score_residuals

CELLS = TILE // 4
BY_NUMPY = {
    "mean": lambda maps: maps.mean(axis=(1, 2)),
    "p95": lambda maps: np.quantile(maps.reshape(len(maps), -1), 0.95, axis=1),
    "max": lambda maps: maps.max(axis=(1, 2)),
}


@pytest.mark.parametrize("pooling", IMAGE_POOLINGS)
def test_each_pooling_is_numpys(pooling: str) -> None:
    torch.manual_seed(0)
    found = ImageResiduals(torch.rand(5, CELLS, CELLS), torch.rand(5, CELLS, CELLS), np.linspace(0, 1, 5, dtype="f4"))
    rule = ScoringConfig.model_validate({"pooling": pooling, "normalisation": "none", "smooth": False})
    scored = score_residuals(found, tiny_checkpoint(), rule).score
    expected = found.damaged if pooling == "classifier" else BY_NUMPY[pooling](found.features.numpy())
    np.testing.assert_allclose(scored, expected, rtol=1e-6)
