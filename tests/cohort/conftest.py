"""Small slides, and a model for them, made once for all tests of cohorts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.integration.conftest import tiny_in, train_tiny
from tests.made_once import made_once
from wsi_haloae.cli.main import run
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.processors.threads import on_threads
from wsi_haloae.synthetic.slide import write_synthetic_slide

SLIDES = 4
AT_ONCE = 2


class Study(NamedTuple):
    folder: Path
    slides: list[Path]
    model: Path


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    model = tiny_in(made_once(tmp_path_factory, "tiny", train_tiny)).model
    slides = [folder / f"slide{seed}.tif" for seed in range(SLIDES)]
    for seed, path in enumerate(slides):
        write_synthetic_slide(path, width=1024, height=1024, seed=seed)
    return Study(folder, slides, model)


@pytest.fixture(scope="session")
def quiet(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every slide scored by itself, undisturbed, in one process with a worker's threads."""
    output = tmp_path_factory.mktemp("quiet")
    asked = ["-m", str(study.model), "-o", str(output), "-q", "--threads", str(threads())]
    with on_threads(torch.get_num_threads()):
        for slide in study.slides:
            assert run(["score", str(slide), *asked]) == 0
    return output


def threads() -> int:
    """Of a worker, where two share this machine."""
    return int(os.environ.get("OMP_NUM_THREADS", max(1, available_cores() // AT_ONCE)))


class Said(NamedTuple):
    """The end of a command that ran in this process."""

    code: int
    err: str
    out: str


def here(*arguments: str | Path) -> Said:
    """``wsi-haloae`` in this process, where nothing is asked of the command's own: a start takes five seconds."""
    err, out = io.StringIO(), io.StringIO()
    with redirect_stderr(err), redirect_stdout(out), on_threads(torch.get_num_threads()):
        code = run([str(one) for one in arguments])
    return Said(code, err.getvalue(), out.getvalue())


def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``wsi-haloae`` in a process of its own, to its end."""
    return subprocess.run(
        spelled(*arguments), check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )


def spelled(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "wsi_haloae", *(str(one) for one in arguments)]
