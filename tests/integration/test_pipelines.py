"""The recipes run as their docstrings say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_paths import REPOSITORY
from tests.integration.mvtec_images import write_config, write_set


def recipe(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "pipelines" / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_set(folder / "screw", train=4, kinds=("hole",), each=1)
    return folder


def test_table_s2_scores_one_model_in_every_way(images: Path, tmp_path: Path) -> None:
    config, output = write_config(tmp_path, steps=2), tmp_path / "out"
    done = recipe("paper_ablations", "tableS2", str(images), "--all", "-o", str(output), "--config", str(config))
    assert done.returncode == 0, done.stderr
    text = (output / "table.md").read_text(encoding="utf-8")
    assert "| classifier, P(damaged) |" in text
    assert "| 91.4 | 91.2 |" in text, "the paper's figures stand beside"


def test_table_1_has_the_baselines(images: Path, tmp_path: Path) -> None:
    config, output = write_config(tmp_path, steps=2), tmp_path / "out"
    done = recipe("paper_table1", str(images), "--category", "screw", "-o", str(output), "--config", str(config))
    assert done.returncode == 0, done.stderr
    [row] = json.loads((output / "table.json").read_text(encoding="utf-8"))
    assert len(row["baselines"]) == 3


def test_a_bad_command_has_the_exit_code_of_bad_usage(images: Path, tmp_path: Path) -> None:
    done = recipe("paper_ablations", "table3", str(images), "--category", "nut", "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "screw" in done.stderr, "what is there is listed"
    assert "Traceback" not in done.stderr


def test_speed_is_told_of_every_method(tmp_path: Path) -> None:
    config, output = write_config(tmp_path), tmp_path / "speed.json"
    done = recipe("paper_speed", "-o", str(output), "--config", str(config), "--size", "128", "--images", "2")
    assert done.returncode == 0, done.stderr
    told = json.loads(output.read_text(encoding="utf-8"))
    assert {(row["method"], row["batch"]) for row in told["rows"]} == {
        (method, batch)
        for method in ("HaloAE", "PCA reconstruction", "per-location Mahalanobis", "kNN with a coreset")
        for batch in (1, 16)
    }
    assert all(row["images_per_second"] > 0 for row in told["rows"])
