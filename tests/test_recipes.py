"""`wsi-haloae recipe`: the files of pipelines/, wherever the package is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data_paths import REPOSITORY
from wsi_haloae.cli.main import run
from wsi_haloae.config.shipped import shipped_folder


def test_all_recipes_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
    assert {name for name, _words in listed} == {path.stem for path in (REPOSITORY / "pipelines").glob("*.py")}
    assert all(words.endswith(".") for _name, words in listed)


def test_options_and_exit_codes_are_the_recipes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "paper_table1", "--help"]) == 0
    assert "--category" in capsys.readouterr().out
    assert run(["recipe", "paper_table1", str(tmp_path), "-o", str(tmp_path / "out")]) == 2


def test_an_unknown_recipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "table1"]) == 2
    assert "paper_table1" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "needy.py").write_text('"""Needs something."""\nimport not_installed_here\n')
    monkeypatch.setattr("wsi_haloae.cli.recipe.shipped_folder", lambda _name: tmp_path)
    assert run(["recipe", "needy"]) == 2
    assert "not_installed_here" in capsys.readouterr().err


def test_shipped_files_lie_beside_the_package_in_a_checkout() -> None:
    assert shipped_folder("configs") == REPOSITORY / "configs"
