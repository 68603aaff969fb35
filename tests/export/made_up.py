"""A format as somebody would add one: a module with a function that writes its file from an `OpenStore`."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.export.formats import Format
from wsi_haloae.export.open_store import OpenStore

FILE, WORDS = "count.txt", "how many tiles there are"


def write_count(path: Path, source: OpenStore) -> None:
    path.write_text(f"{len(source.tiles)}\n", encoding="utf-8")


def row(**more: object) -> Format:
    """The row that belongs to it."""
    return Format({FILE: WORDS}, "tests.export.made_up:write_count", **more)
