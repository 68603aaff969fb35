"""``--overwrite``: what an earlier ``score`` and ``export`` left in a slide's folder goes."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.atomic import remove
from wsi_haloae.export.formats import all_files
from wsi_haloae.stores import score_store, tile_store
from wsi_haloae.workspace.record import RECORD_NAME


def remove_outputs(folder: Path) -> None:
    """Delete record, stores and exports, including exports that only ``export`` writes."""
    (folder / RECORD_NAME).unlink(missing_ok=True)  # first: it says that the rest is complete
    stores = (folder / name for name in (score_store.STORE_NAME, tile_store.STORE_NAME))
    for path in (*stores, *all_files(folder)):
        remove(path)
