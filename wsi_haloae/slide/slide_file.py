"""A slide's file before a library opens it: whether it can be read, and what its fingerprint is."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from wsi_haloae.errors import SlideError

FINGERPRINT_BYTES = 1 << 20


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
    except OSError as error:
        raise SlideError(f"{path}: the slide cannot be read ({error.strerror}). A readable file is needed.") from None
    except ValueError as error:  # a null character
        raise SlideError(f"{str(path)!r}: no file can have this path ({error}). A readable file is needed.") from None


def fingerprint(file: BinaryIO, quickhash: str, level_dimensions: Sequence[tuple[int, int]]) -> str:
    """SHA-256 over the file's size, its first and last MiB, what else is known of it, and the size of every level."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(FINGERPRINT_BYTES)
    file.seek(max(0, size - FINGERPRINT_BYTES))
    tail = file.read(FINGERPRINT_BYTES)
    digest = hashlib.sha256(f"{size} {quickhash} {tuple(level_dimensions)} ".encode())
    digest.update(head)
    digest.update(tail)
    return digest.hexdigest()
