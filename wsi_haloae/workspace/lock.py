"""One run at a time in an output folder: a second run is refused, and a crash leaves nothing locked.

The operating system holds the lock on an open file, so it is released when the process ends, for whatever reason.
The lock file itself stays. A second file names the process that holds the lock.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from wsi_haloae.atomic import own_folder, read_own, recover, refuse_link, write_text
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.workspace.study_files import StudyFile

LOCK_NAME, HOLDER_NAME = StudyFile.LOCK, StudyFile.HOLDER
_REFUSE, _WAIT = 0, -1


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock ``folder``, create it if needed, and remove what a killed run left half-written in it.

    Raises `OutputExistsError` if the folder is a symbolic link, or if another run holds the lock; with ``wait``, that
    run's end is waited for.
    """
    own_folder(folder)
    lock, holder = _lock(folder, _WAIT if wait else _REFUSE), folder / HOLDER_NAME
    try:
        lock.acquire()
    except Timeout:
        raise OutputExistsError(
            f"{folder}: another run is writing here ({_read(holder)}). "
            "Wait until it ends, or choose another output folder."
        ) from None
    try:
        with suppress(OSError):  # a full disk must not keep a finished slide from being skipped
            write_text(holder, f"process {os.getpid()} on {platform.node()}")
        recover(folder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Wait for other runs that write to this folder. For short writes that several runs make to one folder."""
    with _lock(folder, _WAIT):
        yield


def tidy(output: Path) -> None:
    """Create the folder of all slides if needed, and clean up what a killed run left in it (not below it)."""
    output.mkdir(parents=True, exist_ok=True)
    with taking_turns(output):
        recover(output)


def _lock(folder: Path, timeout: int) -> FileLock:
    path = folder / LOCK_NAME
    refuse_link(path)
    return FileLock(path, timeout=timeout)


def _read(holder: Path) -> str:
    try:
        return read_own(holder).decode(errors="replace") or "it has just begun"
    except OSError:
        return "it has just begun"
