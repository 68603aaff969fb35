"""The recipes run as their docstrings say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.forked import start
from tests.data_paths import REPOSITORY
from tests.integration.mvtec_images import write_config, write_set


def recipe(folder: Path, name: str, *arguments: str | Path) -> tuple[int | None, str]:
    """Exit code, and what was said."""
    process = start(REPOSITORY / "pipelines" / f"{name}.py", *arguments, said=folder / "said.txt")
    process.join(300)
    return process.exitcode, (folder / "said.txt").read_text()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_set(folder / "screw", train=4, kinds=("hole",), each=1)
    return folder


def test_table_s2_scores_one_model_in_every_way(images: Path, tmp_path: Path) -> None:
    config, output = write_config(tmp_path, steps=2), tmp_path / "out"
    code, said = recipe(tmp_path, "paper_ablations", "tableS2", images, "--all", "-o", output, "--config", config)
    assert code == 0, said
    text = (output / "table.md").read_text(encoding="utf-8")
    assert "| classifier, P(damaged) |" in text
    assert "| 91.4 | 91.2 |" in text, "the paper's figures stand beside"


def test_table_1_has_the_baselines(images: Path, tmp_path: Path) -> None:
    config, output = write_config(tmp_path, steps=2), tmp_path / "out"
    code, said = recipe(tmp_path, "paper_table1", images, "--category", "screw", "-o", output, "--config", config)
    assert code == 0, said
    [row] = json.loads((output / "table.json").read_text(encoding="utf-8"))
    assert len(row["baselines"]) == 4


def test_a_bad_command_has_the_exit_code_of_bad_usage(images: Path, tmp_path: Path) -> None:
    code, said = recipe(tmp_path, "paper_ablations", "table3", images, "--category", "nut", "-o", tmp_path / "out")
    assert code == 2
    assert "screw" in said, "what is there is listed"
    assert "Traceback" not in said


def test_speed_is_told_of_every_method(tmp_path: Path) -> None:
    config, output = write_config(tmp_path), tmp_path / "speed.json"
    code, said = recipe(tmp_path, "paper_speed", "-o", output, "--config", config, "--size", "128", "--images", "2")
    assert code == 0, said
    told = json.loads(output.read_text(encoding="utf-8"))
    assert {(row["method"], row["batch"]) for row in told["rows"]} == {
        (method, batch)
        for method in ("HaloAE", "PCA reconstruction", "per-location Mahalanobis", "kNN with a coreset")
        for batch in (1, 16)
    }
    assert all(row["images_per_second"] > 0 for row in told["rows"])
