"""run.json: what was run, with what, on what, and what came of it.

Times, hosts and versions live here and in no other output, so that those keep their bytes.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import write_text
from wsi_haloae.documents import read_document
from wsi_haloae.progress import Reporter

RECORD_NAME = "run.json"
_PACKAGES = ("wsi-haloae", "torch", "torchvision", "openslide-python", "openslide-bin", "zarr", "dask", "numpy")


class RunRecord:
    """Collects facts while a run goes on; `write` puts them down, atomically."""

    def __init__(
        self, command: str, arguments: Mapping[str, Any], reporter: Reporter, first_warning: int | None = None
    ) -> None:
        self._command, self._arguments, self.reporter = command, arguments, reporter
        self._first_warning = len(reporter.warnings) if first_warning is None else first_warning
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.facts: dict[str, Any] = {}

    def lap(self, stage: str) -> None:
        """Note the seconds since the last lap under the name of the stage that just ended."""
        now = time.monotonic()
        self.seconds[stage] = round(now - self._clock, 3)
        self._clock = now
        self.reporter.detail(f"{stage}: {self.seconds[stage]:.1f} s")

    def write(self, path: Path, state: str) -> None:
        """The record as JSON, with the warnings since it began; ``state`` is done, empty or failed."""
        document = {
            "state": state,
            "command": self._command,
            "arguments": self._arguments,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "host": {"name": platform.node(), "system": platform.platform(), "processors": os.cpu_count()},
            "versions": versions(),
            "warnings": self.reporter.warnings[self._first_warning :],
            **self.facts,
        }
        write_text(path, json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """An earlier run's record; empty when there is none that can be read."""
    return read_document(path)


def is_finished(folder: Path, command: str) -> bool:
    """Whether ``command`` itself came to its end in a folder; another's record does not count."""
    record = read_record(folder / RECORD_NAME)
    return record.get("command") == command and record.get("state") in {"done", "empty"}


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide what a run gives."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
