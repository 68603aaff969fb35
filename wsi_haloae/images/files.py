"""Which image files lie below a folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})


class FoundImages(NamedTuple):
    """Image files, in a fixed order, and how many hidden ones were left out."""

    files: list[Path]
    hidden: int


def find_images(folder: Path) -> FoundImages:
    """Image files below a folder; without hidden ones, such as ``._001.png`` of macOS or ``.ipynb_checkpoints/``."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    seen = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return FoundImages(seen, len(found) - len(seen))


def list_images(folder: Path) -> list[Path]:
    """The files that `find_images` finds."""
    return find_images(folder).files
