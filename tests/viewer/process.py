"""The viewer as a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.data_paths import REPOSITORY


@contextmanager
def running_viewer(out: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port, once it listens; ended at the end, if it still runs."""
    command = [sys.executable, "-m", "wsi_haloae", "view", str(out), "--port", "0", *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, cwd=REPOSITORY, env=environment) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline()
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/.*\n", address)
            assert found, address
            yield process, int(found[1])
        finally:
            process.kill()
