"""A slide's file before a library opens it: whether it can be read, and what its fingerprint is."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from wsi_haloae.errors import SlideError

FINGERPRINT_BYTES = 1 << 20
PIECE_BYTES = 1 << 16
"""Read at once: a megabyte would be new memory each time, which takes as long as reading it."""

Found = TypeVar("Found")
_Known = tuple[str, int, int, int, int]


def readable(path: Path) -> BinaryIO:
    """The file, opened; raises `SlideError` if there is none, or if it cannot be read."""
    # OpenSlide gives one error for a missing file, a folder and a forbidden file: "unsupported or missing".
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe without a writer would block
            raise SlideError(f"{path}: this is a pipe or a device, but a slide file is needed.")
        return path.open("rb")
    except IsADirectoryError:
        raise SlideError(
            f"{path}: this is a folder, but a slide file is needed (for a DICOM slide, any of its .dcm files)."
        ) from None
    except FileNotFoundError:
        raise SlideError(f"{path}: {'a link to nothing' if path.is_symlink() else 'there is no such file'}.") from None
    except OSError as error:
        raise SlideError(f"{path}: the slide cannot be read ({error.strerror}). A readable file is needed.") from None
    except ValueError as error:  # a null character
        raise SlideError(f"{str(path)!r}: no file can have this path ({error}). A readable file is needed.") from None


def fingerprint(file: BinaryIO, quickhash: str, level_dimensions: Sequence[tuple[int, int]]) -> str:
    """SHA-256 over the file's size, its first and last MiB, what else is known of it, and the size of every level."""
    size = file.seek(0, 2)
    digest = hashlib.sha256(f"{size} {quickhash} {tuple(level_dimensions)} ".encode())
    for start in (0, max(0, size - FINGERPRINT_BYTES)):
        file.seek(start)
        for _ in range(0, FINGERPRINT_BYTES, PIECE_BYTES):
            digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()


class OncePerFile(Generic[Found]):
    """What was found out about files, as long as they are unchanged; at most ``most`` answers are kept.

    Threads that ask about the same file wait for one answer.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._answers: OrderedDict[_Known, Found] = OrderedDict()
        self._turns: dict[_Known, threading.Lock] = {}

    def ask(self, path: Path, file: BinaryIO, find: Callable[[], Found]) -> Found:
        """The answer about an open file; ``find`` gives it the first time. What it raises is not kept."""
        facts = os.fstat(file.fileno())
        known = (os.fspath(path), facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        with self._lock:
            turn = self._turns.setdefault(known, threading.Lock())
        with turn:
            try:
                return self._answers[known]
            except KeyError:
                answer = find()
            with self._lock:
                self._answers[known] = answer
                self._turns.pop(known, None)
                while len(self._answers) > self._most:
                    self._answers.popitem(last=False)
        return answer
