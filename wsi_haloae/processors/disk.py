"""Disk that is free."""

from __future__ import annotations

from pathlib import Path

import psutil


def free_space(folder: Path) -> int:
    """Bytes that are free where ``folder`` is, or will be."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    return int(psutil.disk_usage(str(there)).free)
