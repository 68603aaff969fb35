"""Turns at a shared GPU: one after the other, also when a turn ends with an error or with its process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from wsi_haloae.scoring.turns import turn


def free(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False


def test_a_turn_keeps_the_others_out_and_ends_with_an_error(tmp_path: Path) -> None:
    lock, told = tmp_path / "cuda.lock", list[str]()
    with pytest.raises(ZeroDivisionError), turn(lock, told.append):
        assert told == ["waiting"]
        assert not free(lock)
        _ = 1 / 0
    assert free(lock)


def test_who_shares_nothing_does_not_wait() -> None:
    told: list[str] = []
    with turn(None, told.append):
        assert not told


def test_a_killed_process_ends_its_turn(tmp_path: Path) -> None:
    lock = tmp_path / "cuda.lock"
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with turn(lock):
            os.write(writing, b"x")
            signal.pause()
    assert os.read(reading, 1) == b"x"
    assert not free(lock)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert free(lock)
