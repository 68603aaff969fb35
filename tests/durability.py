"""What a power cut leaves of a folder: of each file what was there at its last fsync, of each name likewise.

A disk may have kept more. Two extremes are rebuilt: nothing that was not asked for, and all names but no such contents.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A name's inode."""

    number: int
    is_folder: bool


class Disk:
    """Everything below ``root`` from now on; what is there already counts as written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, Entry]] = {}
        self._held: list[int] = []  # open, so that no inode's number is given to another
        for folder, _, names in os.walk(root):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                self._keep(os.open(path, os.O_RDONLY))

    @contextmanager
    def watching(self, cut: Callable[[], Any], *, ignoring: bool = False) -> Iterator[None]:
        """Call ``cut`` whenever the power may fail: around each fsync, and after each renaming.

        ``ignoring``: a disk that does nothing when it is asked to write.
        """
        plain_sync, plain_replace = os.fsync, os.replace
        looking = False

        def look() -> None:
            nonlocal looking
            looking = True
            try:
                cut()
            finally:
                looking = False

        def sync(descriptor: int) -> None:
            if not looking:
                look()
                if not ignoring:
                    self._keep(os.dup(descriptor))
                look()

        def replace(source: Path, target: Path) -> None:
            plain_replace(source, target)
            if not looking:
                look()

        os.fsync, os.replace = sync, replace
        try:
            yield
        finally:
            os.fsync, os.replace = plain_sync, plain_replace
            for descriptor in self._held:
                os.close(descriptor)
            self._held.clear()

    def rebuild(self, target: Path, *, all_names: bool) -> Path:
        """What is left of the root, in a new folder."""
        self._rebuild(self.root, self.root.stat().st_ino, target, all_names=all_names)
        return target

    def _rebuild(self, here: Path, number: int, target: Path, *, all_names: bool) -> None:
        target.mkdir()
        names = _names(here) if all_names else self._names.get(number, {})
        for name, entry in names.items():
            if entry.is_folder:
                self._rebuild(here / name, entry.number, target / name, all_names=all_names)
            else:
                (target / name).write_bytes(self._bytes.get(entry.number, b""))

    def _keep(self, descriptor: int) -> None:
        self._held.append(descriptor)
        path, number = Path(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_ino
        if path.is_dir():
            self._names[number] = _names(path)
        else:
            self._bytes[number] = path.read_bytes()


def _names(folder: Path) -> dict[str, Entry]:
    with os.scandir(folder) as entries:
        return {entry.name: Entry(entry.inode(), entry.is_dir()) for entry in entries}
