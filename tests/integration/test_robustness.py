"""The robustness recipe on small tiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.robustness import main
from tests.model.tiny import tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.cli.main import run
from wsi_haloae.experiments.robustness_table import robustness_row
from wsi_haloae.synthetic.imaging_changes import PERTURBATIONS


def write(folder: Path, tiles: np.ndarray) -> Path:
    folder.mkdir()
    for number, tile in enumerate(tiles):
        Image.fromarray(tile).save(folder / f"{number}.png")
    return folder


def test_every_change_has_its_row(tmp_path: Path) -> None:
    tiny_checkpoint().save(tmp_path / "model.safetensors")
    reference, anomalous = write(tmp_path / "a", MemorySource(5).tiles), write(tmp_path / "b", MemorySource(4).tiles)
    command = [str(tmp_path / "model.safetensors"), "--reference", str(reference), "-o", str(tmp_path / "out")]
    assert run([*command, "--anomalous", str(anomalous)], main, "robustness.py") == 0
    rows = json.loads((tmp_path / "out/robustness.json").read_text())
    assert [row["change"] for row in rows] == ["unchanged", *PERTURBATIONS]
    assert rows[0]["shift"] == 0
    assert len({row["shift"] for row in rows}) > len(rows) / 2
    assert all(0 <= row["auroc"] <= 1 for row in rows)
    assert len((tmp_path / "out/robustness.md").read_text().splitlines()) == len(rows) + 2
    with Image.open(tmp_path / "out/robustness.png") as picture:
        assert min(picture.size) > 200
    assert run(command, main, "robustness.py") == 0
    assert json.loads((tmp_path / "out/robustness.json").read_text())[0]["auroc"] is None


def test_a_row_is_shift_share_and_auroc() -> None:
    unchanged = np.array([0.0, 1.0, 2.0])
    row = robustness_row("x", unchanged, unchanged + 5, np.array([0.01, 0.05, 0.2]), np.array([6.5, 8.0]))
    assert row.shift == pytest.approx(5 / unchanged.std())
    assert row.below_level == pytest.approx(2 / 3)
    assert row.auroc == pytest.approx(5 / 6)
    assert robustness_row("x", unchanged, unchanged, None, np.empty(0)).below_level is None
