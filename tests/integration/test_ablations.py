"""Each preset that varies the model trains and scores; experiments of several rows go on where they stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.paper_ablations import TABLES
from tests.integration.mvtec_images import write_config, write_set
from wsi_haloae.config import MVTEC_BASE, load_config, preset_names
from wsi_haloae.evaluation.image_set import find_mvtec
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.mvtec import MvtecOptions, run_mvtec
from wsi_haloae.runs.mvtec_rows import ExperimentRow, run_rows

OPTIONS = MvtecOptions(weights=None, device="cpu", normalise="none", baselines=False, workers=1, overwrite=False)
QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_set(folder / "stripes", train=4, kinds=("hole",), each=1)
    return folder


def backbone_settings(name: str) -> list[str]:
    """The tests' backbone has random weights; those that look at pixels keep theirs."""
    return ["model.swin.widths=[16, 16, 16, 8]", "model.input_downsample=2"] if "swin" in name else []


@pytest.mark.parametrize("name", preset_names("ablation"))
def test_each_ablation_trains_and_is_judged(name: str, images: Path, tmp_path: Path) -> None:
    config = load_config([str(write_config(tmp_path, steps=2)), name], backbone_settings(name), base=MVTEC_BASE)
    assert config != load_config([str(tmp_path / "tiny.yaml")], backbone_settings(name), base=MVTEC_BASE)
    assert run_mvtec([find_mvtec(images, "stripes")], tmp_path / "out", config, OPTIONS, {}, QUIET) == 0
    told = json.loads((tmp_path / "out" / "stripes" / "mvtec.json").read_text(encoding="utf-8"))
    assert told["steps"] == 2
    assert told["pixel"] is not None
    assert Checkpoint.load(tmp_path / "out" / "stripes" / "model.safetensors").facts.config == config


def test_every_row_of_the_papers_tables_names_presets_that_are_there() -> None:
    named = {config for _, rows in TABLES.values() for row in rows for config in row.configs}
    assert named <= set(preset_names("ablation"))
    assert [len(TABLES[table][1]) for table in ("table3", "table4", "released")] == [8, 7, 4]
    for _, rows in TABLES.values():
        assert len({row.folder for row in rows}) == len(rows)


def test_rows_make_one_table_and_are_not_done_twice(images: Path, tmp_path: Path) -> None:
    rows = [ExperimentRow("EWS"), ExperimentRow("L_fm", ("only-fm",)), ExperimentRow("broken", ("no-such-preset",))]
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
    assert [row["row"] for row in table] == ["EWS", "L_fm", "broken"]
    assert table[1]["categories"]["stripes"]["variants"][0]["name"] == "A_fm", "no classifier, no image"
    text = (output / "table.md").read_text(encoding="utf-8")
    assert "| EWS |" in text
    assert "| L_fm |" in text
