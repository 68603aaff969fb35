"""Threads that compute: how many, and that those that wait give their cores away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from wsi_haloae.cli.main import run
from wsi_haloae.cohort import cluster
from wsi_haloae.processors import threads
from wsi_haloae.processors.threads import asked_threads, on_threads, use_threads

RANK = "-m wsi_haloae train-tiles absent -o model.safetensors"


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with on_threads(torch.get_num_threads()):
        yield


def spins(*arguments: str, cwd: Path | None = None, **environment: str) -> list[int]:
    """How often a waiting thread of each OpenMP that a fresh process loads looks again before it sleeps."""
    variables = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=cwd,
        env={**variables, "OMP_DISPLAY_ENV": "VERBOSE", **environment},
    )  # fmt: skip
    return [int(number) for number in re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)]


def test_threads_that_wait_sleep() -> None:
    found = spins("-c", "import wsi_haloae; wsi_haloae.score")
    assert found
    assert set(found) == {0}


def test_what_the_user_has_set_stays() -> None:
    assert min(spins("-c", "import wsi_haloae, torch", OMP_WAIT_POLICY="ACTIVE")) > 10**6
    assert set(spins("-c", "import wsi_haloae, torch", GOMP_SPINCOUNT="77")) == {77}


def test_a_torch_that_is_loaded_already_does_no_harm() -> None:
    assert spins("-c", "import torch, wsi_haloae")[0] > 0


def test_ranks_of_torchrun_sleep_too(tmp_path: Path) -> None:
    started = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *RANK.split()]
    assert spins(*started, cwd=tmp_path).count(0) >= 2


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 2), (3, 3), (64, 3)])
def test_no_more_threads_than_cores(cores: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    torch.set_num_threads(3)
    use_threads(None)
    assert torch.get_num_threads() == expected
    use_threads(5)
    assert torch.get_num_threads() == 5, "as asked"


def test_omp_num_threads_counts_more_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    torch.set_num_threads(3)  # as torch does when it is loaded
    use_threads(None)
    assert torch.get_num_threads() == 3
    assert asked_threads(None) == 3
    assert asked_threads(2) == 2


def test_a_process_that_is_pinned_to_a_core_computes_on_one_thread() -> None:
    ask = "from wsi_haloae.processors.threads import *; use_threads(None); print(torch.get_num_threads())"
    pinned = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {ask}"
    done = subprocess.run([sys.executable, "-c", pinned], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize("command", ["train-tiles", "mvtec"])
def test_commands_compute_on_as_many_threads_as_asked_for(command: str, tmp_path: Path) -> None:
    """Each of these ends early, for there is nothing to compute; by then it has set its threads."""
    folder, output = tmp_path / "folder", tmp_path / "out"
    (folder / "good").mkdir(parents=True)
    given = {
        "train-tiles": [str(folder), "--mpp", "1"],
        "mvtec": ["--reference-dir", str(folder), "--test-dir", str(folder)],
    }
    assert run([command, *given[command], "-o", str(output), "--threads", "5"]) == 2
    assert torch.get_num_threads() == 5


@pytest.mark.parametrize(("each", "expected"), [(1, 8), (2, 4), (3, 2), (9, 1)])
def test_slides_at_once_share_the_cores(each: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "available_cores", lambda: 8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 40))
    assert cluster.fitting_workers(torch.device("cpu"), each) == expected


@pytest.mark.parametrize(
    ("memory", "main_memory", "expected", "by_turns"),
    [
        ([6], 64, 1, True),
        ([16], 64, 2, True),
        ([80], 64, 2, False),
        ([80, 24], 64, 4, True),
        ([80, 80], 9, 3, False),
        ([80, 80], 2, 2, False),
    ],
)
def test_a_gpu_has_a_second_slide_for_when_the_first_is_not_computed(
    memory: list[int], main_memory: int, expected: int, by_turns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In GB. One of them at a time is computed, unless there is room for the batches of both."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=main_memory << 30))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(memory))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(total_memory=memory[number] << 30)
    )
    assert cluster.fitting_workers(torch.device("cuda"), 1) == expected
    assert cluster.taken_by_turns(torch.device("cuda")) == by_turns
    assert not cluster.taken_by_turns(torch.device("cpu"))
