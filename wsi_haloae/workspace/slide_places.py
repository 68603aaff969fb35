"""Looks at the path of each slide of a study before any is opened: is it there, and which are the same slide."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wsi_haloae.slide.dicom import is_dicom_name, read_dicom

_WINDOWS = re.compile(r"(^|/)([A-Za-z]:/|//)")
"""A drive, or a server, below whatever folder."""
MOST_TOLD = 5
"""How many paths a warning names."""


class Problem(NamedTuple):
    """A path that cannot be read as a slide."""

    path: Path
    why: str


class SlidePlaces:
    """Finds the slides behind many paths, with few looks at the disk for each. Folders are resolved once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._folders: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Where a slide lies. Links to a file have its place, and the files of a DICOM series have one in common."""
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError) as error:
            windows = os.name != "nt" and _WINDOWS.search(os.fspath(path)) is not None
            self.problems.append(Problem(path, "not found: a path of Windows" if windows else "not found"))
            return str(resolved(path)) if isinstance(error, ValueError) else self._named(path)  # a NUL character
        why = _why_unreadable(path, mode)
        if why:
            self.problems.append(Problem(path, why))
        elif is_dicom_name(path) and (dicom := read_dicom(path)):
            return f"{self._folder(path)}{os.sep}{dicom.series}{os.sep}"  # no file has this name
        return str(resolved(path)) if stat.S_ISLNK(mode) else self._named(path)

    def _named(self, path: Path) -> str:
        name = path.name
        return str(resolved(path)) if name in {"", ".", ".."} else f"{self._folder(path)}{os.sep}{name}"

    def _folder(self, path: Path) -> str:
        folder = path.parent
        if folder not in self._folders:
            self._folders[folder] = str(resolved(folder))
        return self._folders[folder]


def told(problems: Sequence[Problem], slides: int) -> str:
    """A warning about the slides that cannot be read."""
    more = f" and {len(problems) - MOST_TOLD:,} more" if len(problems) > MOST_TOLD else ""
    first = ", ".join(f"{problem.path} ({problem.why})" for problem in problems[:MOST_TOLD])
    return f"{len(problems):,} of {slides:,} slides cannot be read: {first}{more}. They will fail; the others go on."


def resolved(path: Path) -> Path:
    """The absolute path with links resolved. A path that cannot be resolved is reported when it is opened."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL character, or a link to itself
        return path.absolute()


def _why_unreadable(path: Path, mode: int) -> str:
    if stat.S_ISLNK(mode):
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116
        except OSError:
            return "a link to nothing"
    if not stat.S_ISREG(mode):
        return "a folder" if stat.S_ISDIR(mode) else "no plain file"
    return "" if os.access(path, os.R_OK) else "not yours to read"
