"""Files are written whole or not at all, folders are removed at once, and nothing is written through a link.

Output is first written to a new folder beside its place, which no other user may enter:

    cohort.csv.0123456789abcdef.partial/cohort.csv     and then renamed to cohort.csv

The name is random, and making a folder never follows a link, so a link that another user left in an output folder (say,
``cohort.csv.partial``, pointing to your mail) is neither followed nor used. A link at the place of a file is replaced,
and the file it points to is not changed. Anyone who can write to the folder during a run could still swap files:
share it only with people you trust.

A folder is replaced in two renames, between which the old one is called ``.old``. A killed run may leave both kinds of
names behind: ``.partial`` is never complete, ``.old`` always is. `recover` cleans up, under the folder's lock.

What gets its name here survives a power cut: its bytes are on the disk before the rename, and the rename is on the disk
before the caller goes on. Removals and `appending` promise no such thing, and on Windows nothing does: it has no such
call for folders.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from wsi_haloae.errors import OutputExistsError
from wsi_haloae.refused_writes import NO_ROOM

PARTIAL, OLD = "partial", "old"
_TEMPORARY = re.compile(r"(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>partial|old)", re.DOTALL)
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # not every system has each
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe without a writer would block
_NO_SUCH_CALL = {errno.EINVAL, getattr(errno, "ENOTSUP", errno.EINVAL)}
_WINDOWS = os.name == "nt"
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds between tries to rename, on Windows."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write, which replaces ``path`` at the end. The folder of ``path`` must exist.

    After an error it is removed, and ``path`` is not changed.
    """
    with _aside(path, path) as partial:
        yield partial
        sync(partial)
        _rename(partial, path)
        sync(path.parent)


def commit(path: Path, parts: Iterable[bytes]) -> None:
    """The same for bytes at hand, with fewer calls: one new file, one rename. For the many files of a store.

    A killed run may leave a file with a name that ends in ``.partial`` beside it.
    """
    partial = _temporary(path, PARTIAL)
    with _naming(path):
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(parts)
                stream.flush()
                os.fsync(descriptor)
            _rename(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync(path.parent)


@contextmanager
def new_tree(path: Path, beside: Path | None = None) -> Iterator[Path]:
    """The same for a new folder. Raises `OSError` if ``path`` is a folder that is not empty.

    The temporary folder is made beside ``beside``, if given: for a parent that must not hold unfinished files.
    """
    with _aside(path, beside or path) as partial:
        yield partial
        sync_tree(partial)
        _remove_file(path)
        if _WINDOWS and path.is_dir():  # it renames nothing to the name of a folder, not even of an empty one
            path.rmdir()
        _rename(partial, path)
        sync(path.parent)


@contextmanager
def replacing_tree(path: Path) -> Iterator[Path]:
    """The same for a folder that may exist: whatever happens, either the old or the new one is there, complete.

    After a kill, or an interruption while cleaning up, it may have another name: see `recover_tree`.
    """
    recover_tree(path)
    with _aside(path, path) as partial:
        yield partial
        sync_tree(partial)
        _remove_file(path)
        old = _temporary(path, OLD)
        try:
            if path.exists():
                _rename(path, old)
            _rename(partial, path)
            sync(path.parent)
            _discard(old)
        finally:
            recover_tree(path)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk."""
    if _WINDOWS:  # opens no folder, and syncs only what may be written
        return
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:  # some network file systems have none for folders
            raise
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """The same for all that is in a folder, or for a file."""
    for folder, _folders, names in os.walk(path, topdown=False):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))
    if not path.is_dir():
        sync(path)


def recover_tree(path: Path) -> None:
    """Give a folder back the name that `replacing_tree` changed. If a new folder has that name, remove the old one.

    Only for the one process that writes there.
    """
    for old in _temporaries(path.parent, OLD, path.name):
        if not os.path.lexists(path):
            _rename(old, path)
        elif _is_ours(old):
            _discard(old)


def recover(folder: Path) -> None:
    """Clean up what a killed run left in a folder (not below it). Only for the one process that writes there.

    Removes only folders of this user with this module's temporary names, never links or folders of other users.
    """
    for old in _temporaries(folder, OLD):
        recover_tree(old.with_name(_target(old)))
    for partial in _temporaries(folder, PARTIAL):
        _remove_partial(partial)


def remove_leftovers(path: Path) -> None:
    """Remove what killed writes of one file left beside it. Only for the one process that writes it."""
    for partial in _temporaries(path.parent, PARTIAL, path.name):
        _remove_partial(partial)


def is_temporary(name: str) -> bool:
    """Whether `recover` would treat this name as a leftover of a killed run."""
    return _TEMPORARY.fullmatch(name) is not None


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists. After a kill, all of it or nothing has this name.

    For a link, only the link is removed.
    """
    _remove_file(path)
    if path.exists():
        doomed = _temporary(path, PARTIAL)
        _rename(path, doomed)
        shutil.rmtree(doomed)


def write_text(path: Path, text: str) -> None:
    r"""Write a text file, whole or not at all; its folder is created if needed.

    In file names, a byte that is not UTF-8 becomes ``\udce4``, which JSON reads back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def new_file(path: Path) -> BinaryIO:
    """Open a file to write it, in place of any other; its folder is created if needed. Not atomic: it is in sight."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o666), "wb")


def appending(path: Path) -> TextIO:
    """Open a log to append lines. Anything there but a plain file with one name is replaced by a new file."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _PLAIN, 0o666)
    return os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)


def read_own(path: Path) -> bytes:
    """The bytes of a file that an earlier run wrote. Raises `OSError` for anything but a plain file, such as a link."""
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _PLAIN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path}: is not a plain file")
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def own_folder(path: Path) -> None:
    """Create a folder, if needed, inside one that the user named. Raises `OutputExistsError` if it is a link."""
    refuse_link(path)
    path.mkdir(parents=True, exist_ok=True)


def refuse_link(path: Path) -> None:
    """Raise `OutputExistsError` if ``path``, which is to be written, is a link."""
    if path.is_symlink():
        raise OutputExistsError(
            f"{path}: is a symbolic link, and nothing is written through one. Remove the link, or name the folder that "
            "it points to."
        )


@contextmanager
def _aside(path: Path, beside: Path) -> Iterator[Path]:
    """A path with the name of ``path``, in a new folder that only this user may enter."""
    folder = _temporary(beside, PARTIAL)
    with _naming(path):
        folder.mkdir(mode=0o700)
        try:
            yield folder / path.name
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file that was to be written in errors: a full disk names none, others name a temporary one."""
    try:
        yield
    except OSError as error:
        named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else Path()
        if error.errno not in NO_ROOM and not any(map(is_temporary, named.parts)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _temporary(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.{kind}")


def _target(temporary: Path) -> str:
    found = _TEMPORARY.fullmatch(temporary.name)
    assert found is not None, "it is one of `_temporaries`"
    return found["name"]


def _temporaries(folder: Path, kind: str, name: str | None = None) -> list[Path]:
    """Temporary folders of this kind; those of one name, or all."""
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    found = ((path, _TEMPORARY.fullmatch(path.name)) for path in entries)
    return [
        path
        for path, parts in found
        if parts and parts["kind"] == kind and name in {None, parts["name"]} and path.is_dir() and not path.is_symlink()
    ]


def _rename(new: Path, path: Path) -> None:
    """Give a finished file or folder its name, in place of what has it.

    While any program has one of the two open (`wsi-haloae status`, a virus scanner), Windows refuses; then it is tried
    again, for a second and a half.
    """
    for pause in _PAUSES if _WINDOWS else ():
        with suppress(PermissionError):
            os.replace(new, path)
            return
        time.sleep(pause)
    os.replace(new, path)


def _discard(old: Path) -> None:
    with suppress(OSError):  # it is out of the way already
        remove(old)


def _remove_partial(partial: Path) -> None:
    if _is_ours(partial):
        shutil.rmtree(partial, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()


def _remove_file(path: Path) -> None:
    """Remove a file, or a link to anything, but not a real folder."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
