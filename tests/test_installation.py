"""The ways to install it agree: Makefile, conda's file, CI on a hosting service, and the project's own limits."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.data_paths import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
JOBS: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]


def supported(pythons: list[str]) -> bool:
    allowed = SpecifierSet(PROJECT["requires-python"])
    return all(version in allowed for version in pythons) and not {"3.10", "3.14"} & set(pythons)


def asked(*settings: str) -> str:
    """What `make setup` would run in a new folder."""
    command = ["make", "--dry-run", "setup", "VENV=build/none", *settings]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def test_all_name_the_same_pythons() -> None:
    [line] = re.findall(r"^PYTHONS \?= (.+)$", MAKEFILE, re.MULTILINE)
    assert line.split() == JOBS["test"]["strategy"]["matrix"]["python"]
    assert supported(line.split())


def test_the_service_runs_targets_of_the_makefile() -> None:
    commands = [step["run"] for name in ("check", "test") for step in JOBS[name]["steps"] if "run" in step]
    targets = {target for command in commands for target in re.findall(r"^make (\S+)(?: CPU=1)?$", command)}
    assert len(targets) <= len(commands)
    assert {"setup", "check", "docs", "test", "test-tools"} == targets
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyPI has no other")
def test_without_gpu_torch_comes_first_and_from_its_own_index() -> None:
    plain, slim = asked(), asked("CPU=1", "CPU_TORCH=https://mirror/cpu")
    assert "mirror" not in plain
    [index, rest] = [slim.index(words) for words in ("--index-url https://mirror/cpu torch torchvision", "--editable")]
    assert index < rest, "or the resolver would take PyPI's, which needs the libraries"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyPI has no other")
def test_an_environment_with_gpu_libraries_is_not_taken_for_one_without(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.12/site-packages/nvidia").mkdir(parents=True)
    (tmp_path / ".ready").touch()
    command = ["make", "setup", "CPU=1", f"VENV={tmp_path}", f"READY={tmp_path}/.ready", "-o", f"{tmp_path}/.ready"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make clean setup CPU=1" in done.stdout


def test_conda_gets_a_supported_python_and_the_tested_versions() -> None:
    document = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    python, _pip, by_pip = document["dependencies"]
    assert supported([python.removeprefix("python=")])
    assert by_pip["pip"] == ["--constraint constraints.txt", "--editable ."]


@pytest.mark.parametrize("extra", sorted(set(PROJECT["optional-dependencies"]) - {"dev", "docs"}))
def test_every_extra_is_explained(extra: str) -> None:
    assert f"| `{extra}` |" in (REPOSITORY / "docs/installation.md").read_text(encoding="utf-8")
