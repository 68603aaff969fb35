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
from wsi_haloae.stores.score_store import ScoreStore


def write_exports(
    store: ScoreStore, folder: Path, settings: ExportSettings = STANDARD, formats: Sequence[str] | None = None
) -> OpenStore:
    """Write the files of ``formats`` into ``folder``, which is created if needed; return the opened store.

    None means the default formats. Each file is written whole or not at all, and has the same bytes on every run.
    Raises `StoreError` if the store's display range is invalid, and `UsageError` for a false-discovery rate that
    cannot be kept or a format that is unknown or not installed.
    """
    require_rate(store, settings.criterion)
    chosen = default_formats() if formats is None else formats
    check_formats(chosen)
    source = OpenStore(store, settings)
    folder.mkdir(parents=True, exist_ok=True)
    for name in in_writing_order(chosen):
        FORMATS[name].write(folder, source)
    return source
