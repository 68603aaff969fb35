"""Training by two processes (gloo, on the CPU): the gradients of one, and the command under ``torchrun``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.forked import COMMAND, start
from tests.integration.conftest import TINY
from tests.training.two_ranks import be_rank, gradients
from wsi_haloae.cli.main import run
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.training.ranks import ALONE, Ranks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def together(*command: str | Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    asked = [*TORCHRUN, *(str(one) for one in command)]
    return subprocess.run(asked, check=False, capture_output=True, text=True, env=variables, timeout=600)


def started(command: list[str], said: Path) -> list[BaseProcess]:
    """The two processes that ``torchrun`` would start, forked: three fresh starts of torch take 15 s."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        start(COMMAND, *command, said=said.with_name(f"{said.name}-{rank}.txt"), before=[partial(be_rank, rank, port)])
        for rank in range(2)
    ]


def test_shared_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    done = together(ROOT / "tests/training/two_ranks.py", tmp_path)
    assert done.returncode == 0, done.stderr
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert [part["agreed"] for part in parts] == [0, 0]
    whole = gradients(ALONE)
    for part in parts:
        assert part["gradients"].keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(part["gradients"][name], gradient, rtol=1e-3, atol=1e-6, msg=name)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sources")
    slide, truth = folder / "a.tif", folder / "a.geojson"
    write_synthetic_slide(slide, width=2048, height=1536, seed=3).write_geojson(truth)
    return slide, truth


def command(sources: tuple[Path, Path], output: Path, *more: str) -> list[str]:
    slide, truth = sources
    asked = ["train-tiles", str(slide), "-o", str(output), "--annotations", str(truth), "--class", "Tumor"]
    return [*asked, "--tile-size", "64", *TINY, "--device", "cpu", *more]


def test_two_processes_train_one_model(sources: tuple[Path, Path], tmp_path: Path) -> None:
    """The first reads, calibrates and writes; both killed and run again, they end with the model of ``torchrun``."""
    done = together("-m", "wsi_haloae", *command(sources, tmp_path / "two.safetensors"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("two.safetensors: done") == 1
    assert run(command(sources, tmp_path / "one.safetensors", "-q")) == 0
    two, one = (load_file(tmp_path / f"{name}.safetensors") for name in ("two", "one"))
    assert two.keys() == one.keys()
    kernels = [name for name in one if name.startswith("model.") and one[name].ndim == 4]
    apart = [float((one[name] - two[name]).norm() / one[name].norm()) for name in kernels]
    assert max(apart) < 0.15, "batch norms see half a batch each, else it is the same training"

    asked, state = command(sources, tmp_path / "killed.safetensors"), tmp_path / "killed.training/state.pt"
    ranks = started(asked, tmp_path / "killed")
    end = time.monotonic() + 120
    while not state.exists():
        assert all(rank.is_alive() for rank in ranks)
        assert time.monotonic() < end
        time.sleep(0.01)
    for rank in ranks:
        rank.kill()
        rank.join()
    for rank in started(asked, tmp_path / "again"):
        rank.join()
        assert rank.exitcode == 0, (tmp_path / "again-0.txt").read_text()
    assert "resuming the training after epoch" in (tmp_path / "again-0.txt").read_text()
    resumed = load_file(tmp_path / "killed.safetensors")
    assert all(torch.equal(resumed[name], two[name]) for name in two)


def test_what_the_first_refuses_sends_the_others_home(sources: tuple[Path, Path], tmp_path: Path) -> None:
    """Of themselves: without ``torchrun``, which would end them."""
    ranks = started(command(sources, tmp_path / "x.safetensors", "--class", "Nothing"), tmp_path / "x")
    for rank in ranks:
        rank.join(100)
    assert [rank.exitcode for rank in ranks] == [2, 0]
    assert "Nothing" in (tmp_path / "x-0.txt").read_text()


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    places = [Ranks(rank, 4).device(torch.device("cuda")) for rank in range(4)]
    assert [place.index for place in places] == [0, 1, 0, 1]
    assert Ranks(1, 4).device(torch.device("cpu")) == torch.device("cpu")
    assert ALONE.device(torch.device("cuda")) == torch.device("cuda")
