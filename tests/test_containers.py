"""The images as far as they can be tested without a program that builds them: they install what the project names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.data_paths import REPOSITORY
from tests.missing import missing

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
DOCKER = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
APPTAINER = (REPOSITORY / "containers/apptainer.def").read_text(encoding="utf-8")
INSTALL = REPOSITORY / "containers/install.sh"
FOR_DEVELOPERS = {"dev", "docs"}


def section(name: str) -> list[str]:
    """The lines of a section of the Apptainer definition."""
    body = APPTAINER.split(f"\n%{name}\n")[1].split("\n%")[0]
    return [line.strip() for line in body.splitlines() if line.strip()]


def test_the_linter_has_nothing_against_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        missing("hadolint not found; it is installed with '.[dev]' on Linux")
    done = subprocess.run([hadolint, REPOSITORY / "Dockerfile"], check=False, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_both_images_get_the_files_that_an_installation_needs() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert {line.split()[0] for line in section("files")} == let_through
    project, wheel = PROJECT["project"], PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {project["readme"], *project["license-files"], *wheel["packages"], *wheel["force-include"]}
    assert needed | {"pyproject.toml", "constraints.txt", "containers"} == let_through
    assert all((REPOSITORY / name).exists() for name in let_through)


def test_an_image_can_do_what_users_can_install() -> None:
    [named] = re.findall(r'"\.\[(.*)\]"', INSTALL.read_text(encoding="utf-8"))
    assert set(named.split(",")) == set(PROJECT["project"]["optional-dependencies"]) - FOR_DEVELOPERS


def test_both_images_are_the_same() -> None:
    labels = dict(re.findall(r'(org\.opencontainers\.\S+)="(.*)"', DOCKER))
    assert dict(line.split(" ", 1) for line in section("labels")) == labels
    assert labels["org.opencontainers.image.version"] == PROJECT["project"]["version"]
    assert labels["org.opencontainers.image.licenses"] == PROJECT["project"]["license"]
    arguments = dict(line.split("=") for line in section("arguments"))
    assert arguments == dict(re.findall(r"^ARG (\w+)=(.*)$", DOCKER, re.MULTILINE))
    assert arguments["PYTHON"] in SpecifierSet(PROJECT["project"]["requires-python"])
    assert re.search(r"^USER [1-9]\d*$", DOCKER, re.MULTILINE), "nobody works as root in it"


def test_variables_for_python_stay_outside() -> None:
    """Apptainer passes on what %environment unsets, but nothing that is empty there."""
    body = "\n".join(section("environment"))
    done = subprocess.run(
        ["sh", "-c", f'{body}\necho "[$PYTHONPATH$PYTHONHOME]" "${{PYTHONPATH+set}}" "${{PYTHONHOME+set}}"'],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "/module", "PYTHONHOME": "/module"},
    )
    assert done.stdout == "[] set set\n"


@pytest.mark.parametrize("torch", ["cu126", ""])
def test_other_builds_of_torch_are_refused(torch: str, tmp_path: Path) -> None:
    done = subprocess.run(["sh", INSTALL, tmp_path / "x", torch], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"TORCH={torch}: choose cpu or cuda.\n")
    assert not (tmp_path / "x").exists()
