"""Identifiers that are the same on every run: version 5 UUIDs, derived from what they identify."""

from __future__ import annotations

import json
import uuid

from wsi_haloae.stores.store_header import StoreHeader

_NAMESPACE = uuid.UUID("c9307b53-1eac-50f7-a193-460c5633897d")


def slide_namespace(header: StoreHeader) -> uuid.UUID:
    """The namespace of everything on one slide and grid: ``uuid.uuid5(namespace, name)`` identifies it.

    It depends on the grid, because QuPath replaces objects with equal ids, and tile (3, 4) of
    another tile size is a different tile.
    """
    return uuid.uuid5(_NAMESPACE, header.slide.fingerprint + json.dumps(header.grid.model_dump(), sort_keys=True))
