"""``-v``: what a run is made with, what its stages take, and where its errors come from."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.export.stores import Scene, make_store
from wsi_haloae.cli.main import run
from wsi_haloae.errors import SlideError
from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.batch_result import attempt
from wsi_haloae.workspace.recorder import RunRecorder


def failing() -> int:
    try:
        raise OSError("what the library said")
    except OSError:
        raise SlideError("this slide is damaged") from None


@pytest.mark.parametrize("verbose", [False, True])
def test_a_failure_says_where_it_comes_from(*, verbose: bool) -> None:
    """The error behind it is hidden from everybody else."""
    reporter = Reporter(verbose=verbose, console=Console(file=io.StringIO(), width=200))
    result = attempt("slide", failing, reporter.error, reporter)
    told = reporter._console.file.getvalue()
    assert "this slide is damaged" in told
    assert ("what the library said" in told) == verbose
    assert ("in failing" in told) == verbose
    assert "what the library said" in result.trace


@pytest.mark.parametrize("verbose", [False, True])
def test_a_stage_says_what_it_took(*, verbose: bool, tmp_path: Path) -> None:
    reporter = Reporter(verbose=verbose, console=Console(file=io.StringIO(), width=200))
    record = RunRecorder("score", {}, reporter)
    record.lap("tissue")
    with reporter.timed("exports"):
        pass
    told = reporter._console.file.getvalue()
    assert (re.findall(r"(tissue|exports): \d\.\d s", told) == ["tissue", "exports"]) == verbose


def test_every_command_that_talks_says_more_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_store(tmp_path / "out/a/scores.zarr", Scene())
    export = ["export", str(tmp_path / "out"), "--format", "csv"]
    assert run(export) == 0
    quiet = capsys.readouterr().err
    assert run([*export, "--verbose"]) == 0
    told = capsys.readouterr().err
    assert "zarr" not in quiet
    assert re.search(r"python 3\.\d+\.\d+, wsi-haloae .*, zarr .* cores", told.replace("\n", " "))
    assert re.search(r"csv: \d+\.\d s", told)


def test_an_error_that_ends_a_command_before_it_begins_says_where_it_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train-tiles", str(tmp_path), "-o", str(tmp_path / "model.safetensors"), "--set", "nonsense"]
    for more, traced in (([], False), (["-v"], True), ([], False)):
        assert run([*command, *more]) == 2
        told = capsys.readouterr().err
        assert "--set nonsense" in told
        assert ("Traceback" in told) == traced
