"""A file that exists is a whole file, and a folder that goes is gone at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; it takes the place of ``path`` at the end.

    After an error the temporary file is removed, and what stood at ``path`` still stands.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_tree(path: Path) -> Iterator[Path]:
    """The same for a folder; what a kill leaves beside ``path`` goes with the next call.

    A kill between its two renames leaves the old folder under another name: see `recover_tree`.
    """
    partial, old = path.with_name(path.name + ".partial"), _old(path)
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        yield partial
        if path.exists():
            os.replace(path, old)
        os.replace(partial, path)
    finally:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)


def recover_tree(path: Path) -> None:
    """Give a folder its name back that a kill took from it in `replacing_tree`; for the one process that writes."""
    if not path.exists() and _old(path).exists():
        os.replace(_old(path), path)


def _old(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def write_text(path: Path, text: str) -> None:
    """Write a whole text file; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def remove_tree(path: Path) -> None:
    """Remove a folder, if there is one; a kill leaves all of it or nothing under its name."""
    doomed = path.with_name(path.name + ".partial")  # the name that making a store clears first
    for leftover in (doomed, _old(path)):
        shutil.rmtree(leftover, ignore_errors=True)
    if path.exists():
        os.replace(path, doomed)
        shutil.rmtree(doomed)
