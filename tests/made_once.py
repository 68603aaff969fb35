"""What takes long to make is made by one of pytest's processes; each has its own copy, because tests write to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A new folder with what ``make`` put into a folder, in the first process that asked."""
    of_this_process = folders.getbasetemp()
    common = of_this_process.parent if "PYTEST_XDIST_WORKER" in os.environ else of_this_process
    original, whole = common / f"{name}-once", common / f"{name}-once.whole"
    with FileLock(common / f"{name}-once.lock"):
        if not whole.exists():
            shutil.rmtree(original, ignore_errors=True)  # of a process that failed half-way
            original.mkdir()
            make(original)
            whole.touch()
    return shutil.copytree(original, folders.mktemp(name), dirs_exist_ok=True)
