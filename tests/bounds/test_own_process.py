"""A process that reads a file for another ends by itself, even if the file never opens and nobody is left to end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wsi_haloae.bounds import own_process
from wsi_haloae.slide.probe import CHILD


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX alone has pipes with names, and alarms")
def test_a_file_that_never_opens_leaves_no_process_behind(tmp_path: Path) -> None:
    pipe = tmp_path / "dead.svs"
    os.mkfifo(pipe)
    words = [os.fspath(pipe), str(1 << 30), "10", str(1 - own_process.AFTER_PARENT), "openslide"]
    ended = subprocess.run([sys.executable, "-P", os.fspath(CHILD), *words], check=False, timeout=30)
    assert ended.returncode == -signal.SIGALRM
