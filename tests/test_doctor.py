"""``doctor``: facts for a report of a problem, a test of everything, and an exit code that can be relied on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
import yaml

from tests.data_paths import REPOSITORY
from wsi_haloae.cli.main import run
from wsi_haloae.runs import doctor, installation


def told(capsys: pytest.CaptureFixture[str], expected: int) -> str:
    assert run(["doctor"]) == expected
    return " ".join(capsys.readouterr().out.split())


def test_it_states_versions_and_the_machine_and_tries_everything(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, 0)
    for package in ("torch", "zarr", "openslide-python", "timm"):
        assert f"{package} {version(package)}" in said
    for words in (platform.python_version(), platform.platform(), "openslide 4.", "may be used", "free here"):
        assert words in said
    assert f"pytorch {torch.__version__}" in said
    assert "a synthetic slide tiled, trained on and scored in" in said
    assert said.endswith("everything works")
    for private in (str(Path.home()), os.environ.get("USER"), platform.node()):
        assert not private or len(private) < 5 or private not in said


@pytest.fixture
def without_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {name: home for name, home in doctor.CHECKS.items() if name != "self-test"})


@pytest.mark.usefixtures("without_self_test")
def test_a_missing_package_is_named_and_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = installation.requires
    monkeypatch.setattr(
        installation, "requires", lambda name: [*real(name), "no-such-package>=1", "other; extra == 'x'"]
    )
    said = told(capsys, 1)
    assert "missing BROKEN: no-such-package. Install wsi-haloae again." in said
    assert "other -" in said, "an optional one may be missing"
    assert said.endswith("broken: missing")


def test_a_library_that_cannot_be_loaded_leaves_the_other_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"torch": "no_such_module:devices", "machine": doctor.CHECKS["machine"]})
    said = told(capsys, 1)
    assert "torch BROKEN: ModuleNotFoundError: No module named 'no_such_module'" in said
    assert "memory" in said


def test_scores_that_tell_nothing_apart_are_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wsi_haloae.runs.self_test._area", lambda *_: 0.5)
    monkeypatch.setattr(doctor, "CHECKS", {"self-test": doctor.CHECKS["self-test"]})
    assert "AUROC 0.500, at least 0.9 expected" in told(capsys, 1)


def test_the_form_for_bugs_asks_for_it() -> None:
    form = yaml.safe_load((REPOSITORY / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    assert any("wsi-haloae doctor" in part["attributes"].get("description", "") for part in form["body"])
