"""Every file that is made from a score store alone; which there are, and who writes them, says `formats`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi_haloae.calibration.selection import USUAL
from wsi_haloae.errors import UsageError
from wsi_haloae.export.formats import FORMATS, check_formats, default_formats, in_writing_order
from wsi_haloae.export.open_store import STANDARD, ExportSettings, OpenStore
from wsi_haloae.stores.score_store import ScoreStore


def write_exports(
    store: ScoreStore, folder: Path, settings: ExportSettings = STANDARD, formats: Sequence[str] | None = None
) -> OpenStore:
    """Write the files of ``formats`` into ``folder``, which is made if need be; gives what they were made from.

    None are the default formats. Each file appears whole or not at all, and has the same bytes on every run.
    `StoreError` if the store's display range is no range; `UsageError` for a criterion that needs a calibration
    where there is none, and for a format that cannot be written here.
    """
    chosen = default_formats() if formats is None else formats
    check_formats(chosen)
    source = OpenStore(store, settings)
    if settings.criterion != USUAL and source.tiles.selection is None:
        raise UsageError(
            f"{store.path}: --fdr {settings.criterion.fdr:g} was given, but the model that scored it has no "
            "calibration, so there are no p-values. Pass --threshold with a score instead."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in in_writing_order(chosen):
        FORMATS[name].write(folder, source)
    return source
