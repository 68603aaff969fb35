"""Starts a script in a new process at once, by forking a server that has already imported what scripts need.

Scripts that are killed, interrupted or run out of disk space must be processes, and Python with torch takes many
seconds to start. The server does nothing but import, so torch has no threads yet that a fork would lose.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import wsi_haloae

COMMAND = Path(wsi_haloae.__file__).with_name("__main__.py")
"""The source of the ``wsi-haloae`` script."""
IMPORTED = ["torch._dynamo", "wsi_haloae.runs.mvtec", "wsi_haloae.runs.score", "wsi_haloae.runs.train_tiles"]

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(IMPORTED)


def start(script: Path, *arguments: str | Path, said: Path, before: Sequence[Callable[[], object]] = ()) -> BaseProcess:
    """Run ``python SCRIPT ARGUMENT...`` after the calls in ``before``, with its output written to ``said``."""
    given = script, [str(one) for one in arguments], said, before
    process = _server.Process(target=_become, args=given, daemon=True)  # none survives a failed test
    process.start()
    return process


def _become(script: Path, arguments: list[str], said: Path, before: Sequence[Callable[[], object]]) -> None:
    with said.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.argv = [str(script), *arguments]
    # The default; otherwise the codecs' lock would be a named semaphore, which a kill leaves behind.
    multiprocessing.set_start_method(None, force=True)
    for change in before:
        change()
    runpy.run_path(str(script), run_name="__main__")
