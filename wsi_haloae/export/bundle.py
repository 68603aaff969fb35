"""Writes the files that are made from a score store alone. The table in `formats` lists them and their writers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi_haloae.export.asked_rate import require_rate
from wsi_haloae.export.formats import (
    FORMATS,
    check_formats,
    default_formats,
    in_writing_order,
)
from wsi_haloae.export.open_store import STANDARD, ExportSettings, OpenStore
from wsi_haloae.processors.freed_memory import give_back_memory
from wsi_haloae.stores.score_store import ScoreStore


def write_exports(
    store: ScoreStore, folder: Path, settings: ExportSettings = STANDARD, formats: Sequence[str] | None = None
) -> OpenStore:
    """Write the files of ``formats`` into ``folder``, which is created if needed; return the opened store.

    None means the default formats. Each file is written whole or not at all, and has the same bytes on every run.
    Raises `StoreError` if the store's display range is invalid, and `UsageError` for a false-discovery rate that
    cannot be kept or a format that is unknown or not installed.
    """
    chosen = default_formats() if formats is None else formats
    source = exportable(store, settings, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    for name in in_writing_order(chosen):
        give_back_memory()  # or a picture's 150 MB would add to those of batches and of other pictures
        FORMATS[name].write(folder, source)
    return source


def exportable(store: ScoreStore, settings: ExportSettings, formats: Sequence[str]) -> OpenStore:
    """The opened store. Raises what `write_exports` raises before it writes anything."""
    require_rate(store, settings.criterion)
    check_formats(formats)
    return OpenStore(store, settings)
