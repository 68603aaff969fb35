"""Limits of the process that reads one file for another, because the library below trusts what the file says."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

AFTER_PARENT = 5
"""Seconds after which the process ends itself if its parent, which has the first word, has not ended it."""


def limit(most_bytes: int, work: int, seconds: int) -> None:
    """Let the system end this process if it takes more memory, or more seconds of the processor or by the clock.

    By the clock it waits for its parent first. A parent that was ended meanwhile would leave it behind for good, if a
    file never opens. Where the system has no such limits, only the parent's clock remains.
    """
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a parent may have passed on that it ignores it
    signal.alarm(seconds + AFTER_PARENT)
    import resource  # noqa: PLC0415  # Windows has none

    for kind, most in ((resource.RLIMIT_AS, most_bytes), (resource.RLIMIT_CPU, work), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
            resource.setrlimit(kind, (most, most))


def without_malloc_settings() -> dict[str, str]:
    """Environment for a child with a limit: as here, without settings of glibc, which take memory before it is set.

    Dask puts those of its workers into the environment of the process that starts them.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
