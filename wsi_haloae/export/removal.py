"""``--overwrite``: what an earlier ``score`` and ``export`` left in a slide's folder goes."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.atomic import remove
from wsi_haloae.export.begun import forget_begun
from wsi_haloae.export.formats import all_files
from wsi_haloae.stores import score_store, tile_store
from wsi_haloae.workspace.record import RECORD_NAME


def remove_outputs(folder: Path) -> None:
    """Delete record, exports and stores, including exports that only ``export`` writes.

    In this order a kill leaves nothing that the next run would not write again: the record goes first, because it says
    that the rest is complete, and the scores last, because exports without them would stay among those of a new model.
    """
    (folder / RECORD_NAME).unlink(missing_ok=True)
    forget_begun(folder)
    stores = (folder / name for name in (tile_store.STORE_NAME, score_store.STORE_NAME))
    for path in (*all_files(folder), *stores):
        remove(path)
