"""Which scored slides there are to look at: found once, when the server starts.

What a browser asks for is a name from this list, never a path. A folder that is a link to somewhere outside of what
the user named is left out, and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsi_haloae.documents import read_document
from wsi_haloae.errors import UsageError
from wsi_haloae.stores.score_store import STORE_NAME

RECORD_NAME = "run.json"
OVERLAY_NAME, MAP_NAME, REGIONS_NAME = "heatmap.overlay.png", "map.ome.zarr", "regions.geojson"


@dataclass(frozen=True)
class ScoredFolder:
    """One slide's folder; ``folder`` is resolved, and inside of what the user named."""

    name: str
    folder: Path

    @property
    def store(self) -> Path:
        """Its score store."""
        return self.folder / STORE_NAME

    def record(self) -> Mapping[str, Any]:
        """The run record as it is now; empty where there is none that can be read."""
        return read_document(self.folder / RECORD_NAME)

    def file(self, name: str) -> Path | None:
        """A file or folder that scoring left here; None where there is none, or where it is a link to elsewhere."""
        path = (self.folder / name).resolve()
        return path if path.exists() and path.is_relative_to(self.folder) else None


def find_scored(place: Path, warn: Callable[[str], None]) -> dict[str, ScoredFolder]:
    """By name, every slide's folder in ``place``, or ``place`` itself; `UsageError` where there is none."""
    root = place.resolve()
    of_one = root / STORE_NAME
    stores = [of_one] if of_one.is_dir() else sorted(root.glob(f"*/{STORE_NAME}"))
    found = {}
    for store in stores:
        folder = store.parent
        if store.resolve() != folder.resolve() / STORE_NAME or not folder.resolve().is_relative_to(root):
            warn(f"{folder}: a link to outside of {place}, left out. Name the folder that it leads to.")
            continue
        found[folder.name] = ScoredFolder(folder.name, folder.resolve())
    if not found:
        raise UsageError(
            f"{place}: no scored slide here. Name the folder that 'wsi-haloae score -o' wrote, or one slide's folder "
            f"in it, which holds {STORE_NAME}."
        )
    return found
