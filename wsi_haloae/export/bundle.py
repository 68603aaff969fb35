"""Every file that is made from a score store alone; which there are, and who writes them, says `formats`."""

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
    """Write the files of ``formats`` into ``folder``, which is made if need be; gives what they were made from.

    None are the default formats. Each file appears whole or not at all, and has the same bytes on every run.
    `StoreError` if the store's display range is no range; `UsageError` for a false-discovery rate that cannot be kept,
    and for a format that cannot be written here.
    """
    require_rate(store, settings.criterion)
    chosen = default_formats() if formats is None else formats
    check_formats(chosen)
    source = OpenStore(store, settings)
    folder.mkdir(parents=True, exist_ok=True)
    for name in in_writing_order(chosen):
        FORMATS[name].write(folder, source)
    return source
