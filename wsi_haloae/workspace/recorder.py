"""RunRecorder: collects facts during a run, and writes its record at the end."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.record import RunRecord

_PACKAGES = (
    "wsi-haloae",
    "torch",
    "torchvision",
    "openslide-python",
    "openslide-bin",
    "simplejpeg",
    "imagecodecs",
    "zarr",
    "dask",
    "numpy",
)


class RunRecorder:
    """Collects the record of one run. ``facts`` are the `RunRecord` sections that only the command knows."""

    def __init__(
        self, command: str, arguments: Mapping[str, Any], reporter: Reporter, first_warning: int | None = None
    ) -> None:
        self.command, self._arguments, self.reporter = command, arguments, reporter
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

    def write(self, folder: Path, state: Literal["done", "empty", "failed"]) -> None:
        """Write the record into a folder, with the warnings since it began."""
        document = {
            "state": state,
            "command": self.command,
            "arguments": self._arguments,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "host": {"name": platform.node(), "system": platform.platform(), "processors": os.cpu_count()},
            "versions": versions(),
            "warnings": self.reporter.warnings[self._first_warning :],
            **self.facts,
        }
        RunRecord.model_validate(document).write(folder)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect the results."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
