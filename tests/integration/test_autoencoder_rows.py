"""Block C against PCA on small made-up tiles: rows are compared, resumed, and fail one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.model.tiny import tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.experiments.autoencoder_rows import AutoEncoderRow, RowOptions, run_autoencoder_rows
from wsi_haloae.progress import Reporter

ROWS = (
    AutoEncoderRow("principal", ("model.autoencoder.start=principal",)),
    AutoEncoderRow("at random", ("model.autoencoder.start=random",)),
)


def test_a_start_at_the_pca_is_near_it_and_a_random_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(tiny_config().model_dump(mode="json")))
    shared = RowOptions([str(preset)], ["training.steps=2", "training.learning_rate=1e-6"], None, "cpu")
    source, output = MemorySource(40), tmp_path / "out"
    assert run_autoencoder_rows(source, ROWS, output, shared, Reporter()) == 0
    principal, random = json.loads((output / "table.json").read_text())
    assert principal["block_c"] / principal["pca"] < 1.3
    assert random["block_c"] / random["pca"] > 1.5
    assert principal["pca"] == pytest.approx(random["pca"])
    assert "| principal | 2 |" in (output / "table.md").read_text()
    capsys.readouterr()
    broken = AutoEncoderRow("broken", ("model.map_size=stretch60", "model.block_c=swin"))
    assert run_autoencoder_rows(source, (*ROWS, broken), output, shared, Reporter()) == 1
    told = capsys.readouterr().err
    assert told.count("done already") == 2
    assert "rows that failed: broken" in told
    assert len(json.loads((output / "table.json").read_text())) == 2
    of_a_file = replace(shared, weights=preset)  # any file: a random backbone does not read it
    for done in (0, 1):
        assert run_autoencoder_rows(source, ROWS[:1], output, of_a_file, Reporter()) == 0
        assert capsys.readouterr().err.count("done already") == done, "rows of other weights are other rows"
