"""A file that exists is a whole file, a folder that goes is gone at once, and nothing is written through a link.

What is written stands first in a new folder beside its place, which nobody else may enter:

    cohort.csv.0123456789abcdef.partial/cohort.csv     and then takes the place of cohort.csv

The name is random, and making a folder never follows a link, so what others left in an output folder (a link called
``cohort.csv.partial`` to your mail, say) is neither followed nor taken over. A link in a file's own place is replaced,
and what it leads to stays as it was. Whoever may write in the folder while a run goes on could still exchange things
under its feet: share it only with people you trust.

A folder is replaced in two renames, between which the old one is called ``.old``. A kill leaves things under these two
kinds of names: ``.partial`` is never whole, ``.old`` always is. `recover` puts that right, under the folder's lock.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from wsi_haloae.errors import OutputExistsError

PARTIAL, OLD = "partial", "old"
_TEMPORARY = re.compile(r"(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>partial|old)", re.DOTALL)
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # not every system has each
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody writes to would be waited for


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write, in a folder that is there; it takes the place of ``path`` at the end.

    After an error it is removed, and what stood at ``path`` still stands.
    """
    with _aside(path, path) as partial:
        yield partial
        os.replace(partial, path)


@contextmanager
def new_tree(path: Path, beside: Path | None = None) -> Iterator[Path]:
    """The same for a folder where there is none yet; `OSError` where there is one with something in it.

    It is made beside ``beside`` where ``path`` lies in a folder that must not hold anything unfinished.
    """
    with _aside(path, beside or path) as partial:
        yield partial
        _remove_file(path)
        os.replace(partial, path)


@contextmanager
def replacing_tree(path: Path) -> Iterator[Path]:
    """The same for a folder that may be there: whatever happens, the old or the new one is there, whole.

    After a kill, or an interruption of the clearing up, it may be there under another name: see `recover_tree`.
    """
    recover_tree(path)
    with _aside(path, path) as partial:
        yield partial
        _remove_file(path)
        old = _temporary(path, OLD)
        try:
            if path.exists():
                os.replace(path, old)
            os.replace(partial, path)
            _discard(old)
        finally:
            recover_tree(path)


def recover_tree(path: Path) -> None:
    """Give a folder its name back that `replacing_tree` took; one whose place is taken again is removed.

    For the one process that writes there.
    """
    for old in _temporaries(path.parent, OLD, path.name):
        if not os.path.lexists(path):
            os.replace(old, path)
        elif _is_ours(old):
            _discard(old)


def recover(folder: Path) -> None:
    """Put right what a killed run left in a folder (not below it); for the one process that writes there.

    Only what bears this module's names and belongs to this user is removed: never a link, and never another user's.
    """
    for old in _temporaries(folder, OLD):
        recover_tree(old.with_name(_target(old)))
    for partial in _temporaries(folder, PARTIAL):
        _remove_partial(partial)


def remove_leftovers(path: Path) -> None:
    """Remove what killed writes of one file left beside it; for the one process that writes it."""
    for partial in _temporaries(path.parent, PARTIAL, path.name):
        _remove_partial(partial)


def is_temporary(name: str) -> bool:
    """Whether `recover` would take something of this name for a killed run's."""
    return _TEMPORARY.fullmatch(name) is not None


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one; a kill leaves all of it or nothing under its name.

    Of a link the link goes, and nothing else.
    """
    _remove_file(path)
    if path.exists():
        doomed = _temporary(path, PARTIAL)
        os.replace(path, doomed)
        shutil.rmtree(doomed)


def write_text(path: Path, text: str) -> None:
    r"""Write a whole text file; its folder is made if need be.

    A foreign byte in a file's name becomes ``\udce4``, which JSON reads back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def appending(path: Path) -> TextIO:
    """The end of a log, line by line; begun anew where anything but a plain file of its own stands."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _PLAIN, 0o666)
    return os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)


def read_own(path: Path) -> bytes:
    """What an earlier run wrote into a file; `OSError` for a link, a pipe, or anything else that no run leaves."""
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _PLAIN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path}: is not a plain file")
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def own_folder(path: Path) -> None:
    """Make a folder, if need be, inside of what the user named; `OutputExistsError` where a link stands for it."""
    refuse_link(path)
    path.mkdir(parents=True, exist_ok=True)


def refuse_link(path: Path) -> None:
    """`OutputExistsError` for a link where something belongs that is written to."""
    if path.is_symlink():
        raise OutputExistsError(
            f"{path}: is a symbolic link, and nothing is written through one. Remove the link, or name the folder that "
            "it leads to."
        )


@contextmanager
def _aside(path: Path, beside: Path) -> Iterator[Path]:
    """A free name that ends like ``path``, in a new folder of this user's own."""
    folder = _temporary(beside, PARTIAL)
    folder.mkdir(mode=0o700)
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _temporary(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.{kind}")


def _target(temporary: Path) -> str:
    found = _TEMPORARY.fullmatch(temporary.name)
    assert found is not None, "it is one of `_temporaries`"
    return found["name"]


def _temporaries(folder: Path, kind: str, name: str | None = None) -> list[Path]:
    """Folders of such names; of one file or of all."""
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


def _discard(old: Path) -> None:
    with suppress(OSError):  # it is out of the way already
        remove(old)


def _remove_partial(partial: Path) -> None:
    if _is_ours(partial):
        shutil.rmtree(partial, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return not hasattr(os, "geteuid") or path.lstat().st_uid == os.geteuid()


def _remove_file(path: Path) -> None:
    """Whatever is not a folder of its own: a file, or a link to anything."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
