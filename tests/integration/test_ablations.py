"""Each preset that varies the model trains and scores; experiments of several rows go on where they stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.paper_ablations import TABLES
from tests.integration.mvtec_images import write_config, write_set
from wsi_haloae.config import MVTEC_BASE, load_config, preset_names
from wsi_haloae.experiments.mvtec_rows import ExperimentRow, run_rows
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.mvtec.image_set import find_mvtec
from wsi_haloae.mvtec.image_source import ImageSource
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.mvtec import MvtecOptions
from wsi_haloae.scoring.image_scorer import image_residuals, score_residuals
from wsi_haloae.training.fit import fit
from wsi_haloae.training.job import TrainingData, TrainingJob

OPTIONS = MvtecOptions(device="cpu", num_workers=1)
SIZE = 128
"""Pixels a side: every variant can take it, and it trains in a second."""
NARROW = ("model.swin.widths=[16, 8]",)
QUIET, CPU = Reporter(quiet=True), torch.device("cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_set(folder / "stripes", train=4, kinds=("hole",), each=1)
    return folder


@pytest.mark.parametrize("name", preset_names("ablation"))
def test_each_ablation_trains_and_scores(name: str, images: Path, tmp_path: Path) -> None:
    plain = str(write_config(tmp_path, steps=2))
    config = load_config([plain, name], NARROW, base=MVTEC_BASE)
    assert config != load_config([plain], NARROW, base=MVTEC_BASE)
    found = find_mvtec(images, "stripes")
    train = ImageSource(found.train_folder, found.train, SIZE)
    test = ImageSource(found.test_folder, [image.path for image in found.test], SIZE)
    data = TrainingData(train, np.array([0, 1]), np.array([2, 3]))
    checkpoint, curve = fit(TrainingJob(config, data, tmp_path, "identity", CPU), QUIET)
    assert curve[-1].step == 2
    checkpoint.save(tmp_path / "model.safetensors")
    again = Checkpoint.load(tmp_path / "model.safetensors")
    assert again.facts.config == config
    low, high = again.facts.display_range
    assert low < high
    if config.scoring.rule == "classifier":
        assert (low, high) == (0, 1), "a confident classifier gives all tiles the same score"
    residuals = image_residuals(again, [np.stack([test.read(n) for n in range(3)])], CPU, lambda _: None)
    scores = score_residuals(residuals, again)
    assert np.isfinite(scores.score).all()
    assert scores.score.std() > 0 or config.scoring.rule == "classifier"
    assert scores.maps.shape == (3, SIZE // 4, SIZE // 4)


def test_every_row_of_the_papers_tables_names_presets_that_are_there() -> None:
    named = {config for _, rows in TABLES.values() for row in rows for config in row.configs}
    assert named <= set(preset_names("ablation"))
    assert [len(TABLES[table][1]) for table in ("table3", "table4", "released")] == [8, 8, 4]
    for _, rows in TABLES.values():
        assert len({row.folder for row in rows}) == len(rows)


def test_rows_make_one_table_and_are_not_done_twice(images: Path, tmp_path: Path) -> None:
    rows = [
        ExperimentRow("EWS"),
        ExperimentRow("L_fm", ("only-fm",)),
        ExperimentRow("broken", ("no-such-preset",)),
        ExperimentRow("a rival", baseline="kNN with a coreset"),
    ]
    sets = [find_mvtec(images, "stripes")]
    config = [str(write_config(tmp_path, steps=2))]
    output = tmp_path / "out"

    def go(some: list[ExperimentRow]) -> int:
        return run_rows("Rows", some, sets, output, config, (), OPTIONS, QUIET)

    assert go(rows[:1]) == 0
    first = output / "ews" / "stripes" / "model.safetensors"
    written = first.stat().st_mtime_ns
    assert go(rows) == 1, "a row that fails is told"
    assert first.stat().st_mtime_ns == written
    table = json.loads((output / "table.json").read_text(encoding="utf-8"))
    assert [row["row"] for row in table] == ["EWS", "L_fm", "broken", "a rival"]
    own = {one["name"]: one for one in table[0]["categories"]["stripes"]["baselines"]}
    rival = table[3]["categories"]["stripes"]
    assert rival["image"]["auroc"] == own["kNN with a coreset"]["image_auroc"], (
        "the first row is measured with baselines"
    )
    assert rival["pixel"] == own["kNN with a coreset"]["pixel"]
    assert len(table[1]["categories"]["stripes"]["baselines"]) == 1, "PCA alone"
    assert table[1]["categories"]["stripes"]["variants"][0]["name"] == "A_fm", "no classifier, no image"
    text = (output / "table.md").read_text(encoding="utf-8")
    assert "| EWS |" in text
    assert "| L_fm |" in text
    assert "| a rival |" in text
