"""Rules of cells and the mark of a training, on a slide from its tiles to its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.integration.conftest import TINY, Tiny
from wsi_haloae.cli.main import run
from wsi_haloae.config import ScoringConfig
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.synthetic.slide import write_synthetic_slide


def test_what_is_asked_for_is_trained_scored_and_shown(tiny: Tiny, tmp_path: Path) -> None:
    model, other = tmp_path / "model.safetensors", tmp_path / "other.tif"
    asked = ("scoring.rule=whitened", "scoring.also=[layers_apart,cosine]", "training.stop_by=synthetic")
    settings = [part for one in asked for part in ("--set", one)]
    train = ["train-tiles", str(tiny.slide), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    assert run([*train, "--tile-size", "64", *TINY, *settings, "-q"]) == 0
    checkpoint = Checkpoint.load(model)
    assert 0 < checkpoint.facts.training["synthetic_mark"] < 1
    write_synthetic_slide(other, width=640, height=640, seed=1)

    score = ["score", str(other), "--maps", "-q"]
    assert run([*score, "--model", str(model), "-o", str(tmp_path / "mean")]) == 0
    store = ScoreStore.open(tmp_path / "mean/other/scores.zarr")
    assert store.header.rules[-3:] == ("whitened", "layers_apart", "cosine")
    assert store.header.map_adds_up
    np.testing.assert_array_equal(store.read("rules")[:, -3], store.read("score"))
    counted = np.where(store.read("tissue_cells"), store.read("tissue_cells"), store.header.map_size**2)
    maps = np.stack([store.anomaly_map(number) for number in range(len(store))]).sum(axis=(1, 2)) / counted
    np.testing.assert_allclose(maps, store.read("score"), rtol=2e-3)
    assert "its mean over the tile&#39;s tissue is the score" in _report(tmp_path / "mean")

    greatest = ScoringConfig(rule="whitened", pooling="max")
    config = checkpoint.facts.config.model_copy(update={"scoring": greatest})
    checkpoint.with_facts(config=config).save(tmp_path / "max.safetensors")
    assert run([*score, "--model", str(tmp_path / "max.safetensors"), "-o", str(tmp_path / "max")]) == 0
    assert not ScoreStore.open(tmp_path / "max/other/scores.zarr").header.map_adds_up
    report = _report(tmp_path / "max")
    assert "is the score" not in report
    assert "maximum over tissue cells of the squared residual" in report


def _report(output: Path) -> str:
    return (output / "other/report.html").read_text(encoding="utf-8")
