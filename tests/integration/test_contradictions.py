"""Options that contradict a run that is finished, or begun: refused or named, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Tiny
from wsi_haloae.cli.main import run


@pytest.fixture
def scored(tiny: Tiny, tmp_path: Path) -> list[str]:
    """The command that scored a slide."""
    command = ["score", str(tiny.slide), "--model", str(tiny.model), "-o", str(tmp_path / "out"), "--batch-size", "4"]
    assert run([*command, "-q"]) == 0
    return command


def said(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = run(command)
    return code, " ".join(capsys.readouterr().err.split())


def test_the_same_options_are_no_contradiction(scored: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said([*scored, "--precision", "float32"], capsys)
    assert code == 0
    assert "scored already" in text
    assert "no effect" not in text


def test_another_precision_is_refused(scored: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tmp_path / "out/tiny/tiles.csv").read_bytes()
    code, text = said([*scored, "--precision", "bfloat16"], capsys)
    assert code == 2
    assert "scored in float32, but --precision bfloat16 was given" in text
    assert "--overwrite" in text
    assert (tmp_path / "out/tiny/tiles.csv").read_bytes() == before


def test_another_batch_size_or_number_of_threads_is_named(
    scored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said([*scored[:-1], "8", "--threads", "7"], capsys)
    assert code == 0
    assert "--batch-size 8 has no effect here. The slide was begun with 4" in text
    assert "--threads 7 has no effect here" in text


def test_tiles_that_were_not_kept_are_not_promised(scored: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said([*scored, "--keep-tiles"], capsys)
    assert code == 2
    assert "--keep-tiles was given, but" in text
    assert "wsi-haloae tile" in text
