"""One run at a time in an output folder: a second run is refused, and a crash leaves nothing locked.

The operating system holds the lock on an open file, so it is released when the process ends, for whatever reason.
The lock file itself stays. A second file names the process that holds the lock.

Some network file systems have no locks. There a run goes on without one, and says so.
"""

from __future__ import annotations

import errno
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from wsi_haloae.atomic import own_folder, read_own, recover, refuse_link, write_text
from wsi_haloae.errors import OutputExistsError, WsiHaloaeError
from wsi_haloae.workspace.study_files import StudyFile

LOCK_NAME, HOLDER_NAME = StudyFile.LOCK, StudyFile.HOLDER
_HOLDER = re.compile(r"process (?P<process>[0-9]{1,9}) on (?P<node>.*)", re.DOTALL)
_REFUSE, _WAIT = 0, -1
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.ENOSYS), 524}
"""How file systems say that they have no locks; 524 is ENOTSUPP of the Linux kernel, without a name outside of it."""

Warn = Callable[[str], None]
_told = set[int]()
"""Devices without locks that were told of."""


@contextmanager
def locked(folder: Path, warn: Warn | None = None, *, wait: bool = False) -> Iterator[None]:
    """Lock ``folder``, create it if needed, and remove what a killed run left half-written in it.

    Raises `OutputExistsError` if the folder is a symbolic link, or if another run holds the lock; with ``wait``, that
    run's end is waited for. ``warn`` gets a line, once in a process, if the file system has no locks.
    """
    own_folder(folder)
    lock, holder = _lock(folder, _WAIT if wait else _REFUSE), folder / HOLDER_NAME
    try:
        _acquire(lock, folder, warn)
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


def is_held(folder: Path) -> bool:
    """Whether a run is writing in ``folder``, without touching its lock; a run on another machine is believed."""
    try:
        found = _HOLDER.fullmatch(read_own(folder / HOLDER_NAME).decode(errors="replace"))
    except OSError:
        return False
    return found is not None and (found["node"] != platform.node() or psutil.pid_exists(int(found["process"])))


def remove_unused(folder: Path) -> None:
    """Remove the folder of a run that ended before it wrote anything but its lock."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()
            folder.rmdir()


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Wait for other runs that write to this folder. For short writes that several runs make to one folder."""
    lock = _lock(folder, _WAIT)
    _acquire(lock, folder, None)
    try:
        yield
    finally:
        lock.release()


def tidy(output: Path) -> None:
    """Create the folder of all slides if needed, and clean up what a killed run left in it (not below it)."""
    output.mkdir(parents=True, exist_ok=True)
    with taking_turns(output):
        recover(output)


def _lock(folder: Path, timeout: int) -> FileLock:
    path = folder / LOCK_NAME
    refuse_link(path)
    return FileLock(path, timeout=timeout, fallback_to_soft=False)  # a soft lock would outlive a killed run


def _acquire(lock: FileLock, folder: Path, warn: Warn | None) -> None:
    """Take the lock, if there are locks. Raises `Timeout`, and `WsiHaloaeError` that names the folder."""
    try:
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise WsiHaloaeError(
                f"{folder}: this output folder cannot be locked ({error}). Choose one in which you may write."
            ) from error
        device = folder.stat().st_dev
        if warn and device not in _told:
            _told.add(device)
            warn(
                f"{folder}: the file system of this output folder has no locks ({error.strerror}), so nothing keeps "
                "two runs apart that write there. Start only one at a time."
            )


def _read(holder: Path) -> str:
    try:
        return read_own(holder).decode(errors="replace") or "it has just begun"
    except OSError:
        return "it has just begun"
