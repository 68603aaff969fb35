"""Limits of the process that reads one file for another, because the library below trusts what the file says."""

from __future__ import annotations

import contextlib
import os
import sys


def limit(most_bytes: int, seconds: int) -> None:
    """Let the system end this process if it takes more; where the system cannot, the parent's clock remains."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # Windows has none

    for kind, most in ((resource.RLIMIT_AS, most_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
            resource.setrlimit(kind, (most, most))


def without_malloc_settings() -> dict[str, str]:
    """Environment for a child with a limit: as here, without settings of glibc, which take memory before it is set.

    Dask puts those of its workers into the environment of the process that starts them.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
