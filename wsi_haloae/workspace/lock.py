"""One run at a time in an output folder: a second one refuses, and a crash leaves nothing locked.

The lock is the operating system's, held by the open file: it goes with the process, however that ends.
The file itself stays, and says who was here last.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from wsi_haloae.errors import OutputExistsError

LOCK_NAME, HOLDER_NAME = ".lock", ".lock-holder"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder``, which is made if need be; `OutputExistsError` where another run holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / LOCK_NAME, timeout=0), folder / HOLDER_NAME
    try:
        lock.acquire()
    except Timeout:
        raise OutputExistsError(
            f"{folder}: another run is writing here ({_read(holder)}). "
            "Wait for its end, or choose another output folder."
        ) from None
    try:
        with suppress(OSError):  # a full disk must not keep a finished slide from being skipped
            holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8") or "it has just begun"
    except OSError:
        return "it has just begun"
