"""Memory that a process frees: kept for its next batch, and given back when it is asked to."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from wsi_haloae.processors.freed_memory import AS_ENVIRONMENT, give_back_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")

BATCHES = """
import sys
from resource import RUSAGE_SELF, getrusage
from threading import Thread
from wsi_haloae.processors.freed_memory import keep_freed_memory

SIZES = [40 << 20, 3 << 20, 70 << 20, 12 << 20]  # on both sides of the 32 MiB from which glibc never keeps a block

def batch():
    held = [bytearray(b"x") * size for size in SIZES]

def batches():
    batch()
    after_one = getrusage(RUSAGE_SELF)
    for _ in range(20):
        batch()
    after_all = getrusage(RUSAGE_SELF)
    print(after_all.ru_minflt - after_one.ru_minflt, after_all.ru_maxrss - after_one.ru_maxrss)

if "kept" in sys.argv:
    assert keep_freed_memory()
if "thread" in sys.argv:
    thread = Thread(target=batches)
    thread.start()
    thread.join()
else:
    batches()
"""
PAGES = 125 * 256
"""Of one batch."""


def faults_and_growth(*words: str, **environment: str) -> tuple[int, int]:
    """How many pages 20 batches took from the system after the first one, and by how many KiB the process grew."""
    done = subprocess.run(
        [sys.executable, "-c", BATCHES, *words], check=True, capture_output=True, text=True, env=environment
    )
    faults, growth = done.stdout.split()
    return int(faults), int(growth)


def test_the_next_batch_takes_no_new_pages_and_the_process_does_not_grow() -> None:
    faults, growth = faults_and_growth("kept")
    assert faults < PAGES
    assert growth < 4096


def test_otherwise_every_batch_takes_its_pages_anew() -> None:
    assert faults_and_growth()[0] > 15 * PAGES


def test_a_worker_computes_on_a_second_thread() -> None:
    faults, growth = faults_and_growth("thread", **AS_ENVIRONMENT)
    assert faults < PAGES
    assert growth < 4096


def test_freed_memory_goes_back_to_the_system() -> None:
    """Small blocks, freed but for every hundredth: the allocator keeps their pages by itself, or most of them."""
    if sys.platform != "linux":
        pytest.skip("glibc alone")
    blocks = [bytearray(40_000) for _ in range(5000)]
    kept = blocks[::100]
    del blocks
    before = psutil.Process().memory_info().rss
    give_back_memory()
    assert before - psutil.Process().memory_info().rss > 50e6
    assert len(kept) == 50
