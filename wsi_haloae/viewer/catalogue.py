"""The list of scored slides that the viewer shows, made once when the server starts.

A browser requests slides by their names in this list, never by a path. A folder that is a link to outside the folder
that the user named is left out, with a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wsi_haloae.errors import UsageError
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.stores.score_store import STORE_NAME
from wsi_haloae.workspace.record import RunRecord

OVERLAY_NAME, MAP_NAME, REGIONS_NAME = (FORMATS[name].file for name in ("overlay", "map", "regions"))


@dataclass(frozen=True)
class ScoredFolder:
    """One slide's folder. ``folder`` is resolved and lies inside ``root``, the folder that the user named."""

    name: str
    folder: Path
    root: Path

    @property
    def store(self) -> Path:
        """Path of its score store."""
        return self.folder / STORE_NAME

    def record(self) -> RunRecord | None:
        """The current run record; None if there is none or it cannot be read."""
        return RunRecord.read(self.folder, "score")

    def file(self, name: str) -> Path | None:
        """Path of a file or folder that scoring wrote here; None if it is missing or a link to outside."""
        path = (self.folder / name).resolve()
        return path if path.exists() and path.is_relative_to(self.folder) else None


def find_scored(place: Path, warn: Callable[[str], None]) -> dict[str, ScoredFolder]:
    """The slides' folders in ``place``, or ``place`` itself, by name. Raises `UsageError` if there is none."""
    root = place.resolve()
    of_one = root / STORE_NAME
    stores = [of_one] if of_one.is_dir() else sorted(root.glob(f"*/{STORE_NAME}"))
    found = {}
    for store in stores:
        folder = store.parent
        if store.resolve() != folder.resolve() / STORE_NAME or not folder.resolve().is_relative_to(root):
            warn(f"{folder} was left out: it is a link to outside {place}. Name the folder that it points to.")
            continue
        found[folder.name] = ScoredFolder(folder.name, folder.resolve(), root)
    if not found:
        raise UsageError(
            f"{place}: no scored slide here. Name the folder that 'wsi-haloae score -o' wrote, or the folder of one "
            f"slide in it, which holds {STORE_NAME}."
        )
    return found
