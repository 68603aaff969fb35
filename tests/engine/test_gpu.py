"""The engine on a CUDA device: same maps in float32, close ones in bfloat16, an automatic batch that fits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.model.tiny import EVERY_INGREDIENT, TILE, tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.engine.batch import LARGEST, automatic_batch_size
from wsi_haloae.engine.inference import InferenceModel, default_precision
from wsi_haloae.engine.transfer import batches_on
from wsi_haloae.scoring.scorer import Scorer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return torch.device("cuda")


@pytest.mark.parametrize("changes", [{}, EVERY_INGREDIENT], ids=["plain", "every ingredient"])
def test_scores_are_those_of_the_cpu(changes: dict[str, Any], device: torch.device) -> None:
    tiles = MemorySource(9).tiles
    on_cpu, on_gpu = (
        Scorer(tiny_checkpoint(**changes), where, 4, torch.float32).score(tiles)
        for where in (torch.device("cpu"), device)
    )
    np.testing.assert_allclose(on_gpu.rules, on_cpu.rules, rtol=1e-3, atol=1e-4)


def test_bfloat16_keeps_the_order_of_tiles(device: torch.device) -> None:
    tiles = MemorySource(32).tiles
    full, half = (
        Scorer(tiny_checkpoint(), device, 8, dtype).score(tiles).score_paper
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert np.corrcoef(full, half)[0, 1] > 0.99
    assert default_precision(device) in {"float32", "bfloat16"}


def test_the_automatic_batch_fits(device: torch.device) -> None:
    model = InferenceModel(tiny_checkpoint().model, device)
    batch = automatic_batch_size(model, TILE, device)
    assert 1 <= batch <= LARGEST
    model.reconstruct(model.features(torch.zeros(batch, 3, TILE, TILE, device=device)))


def test_recorded_graphs_give_what_kernels_one_by_one_give(device: torch.device) -> None:
    plain = InferenceModel(tiny_checkpoint().model, device)
    replayed = InferenceModel(tiny_checkpoint().model, device).replayed()
    with torch.inference_mode():
        for seed in range(3):
            images = torch.randn(4, 3, TILE, TILE, generator=torch.Generator().manual_seed(seed)).to(device)
            features = plain.features(images)
            assert torch.equal(replayed.features(images), features)
            assert torch.equal(replayed.reconstruct(features), plain.reconstruct(features))


def test_batches_arrive_whole_and_in_order(device: torch.device) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (37, 64, 64, 3), dtype=np.uint8)
    arrived = torch.cat([batch.cpu() for batch in batches_on(device, tiles, 8)])
    np.testing.assert_array_equal(arrived[:37], tiles)
    assert not arrived[37:].any()


def test_all_that_scoring_computes_is_recorded(device: torch.device) -> None:
    tiles = MemorySource(9).tiles
    recorded, plain = (Scorer(tiny_checkpoint(**EVERY_INGREDIENT), device, 4, torch.float32) for _ in range(2))
    plain._computed = {keep: partial(plain._score_batch, keep_maps=keep) for keep in (False, True)}
    for keep_maps in (False, True):
        found, expected = (scorer.score(tiles, keep_maps=keep_maps) for scorer in (recorded, plain))
        assert np.array_equal(found.rules, expected.rules)
        assert None not in recorded._computed[keep_maps]._recordings.values()  # type: ignore[attr-defined]
    assert np.array_equal(found.anomaly_map, expected.anomaly_map)  # type: ignore[arg-type]
