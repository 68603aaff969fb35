"""A process that does a piece of work for each line that it is sent, and answers with what it measured.

So what is compared runs in turn, in processes with settings of their own: of the version, of memory, of threads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


class Answering:
    """A script that was started for `answer`, and waits."""

    def __init__(self, script: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, str(script), *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def once(self) -> dict[str, float]:
        """Let it do its work once; what it measured, by name."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        """For good."""
        self._process.communicate()


def answer(work: Callable[[], Mapping[str, float]]) -> None:
    """Do ``work`` for each line of standard input, and print what it returns."""
    for _ in sys.stdin:
        print(json.dumps(dict(work())), flush=True)
