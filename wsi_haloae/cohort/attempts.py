"""How often a slide was begun in a run: one that takes its worker down with it is not tried for ever.

Dask blames every slide that a dead worker had been given, begun or not. The note is made by the worker itself,
in the slide's folder, when it begins, and taken away when it ends, well or badly: only a slide during which the
worker vanished leaves one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsi_haloae.atomic import write_text
from wsi_haloae.documents import read_document
from wsi_haloae.errors import SetAsideError

NOTE_NAME = ".begun"
MOST_DEATHS = 2
SET_ASIDE = "set aside"


@contextmanager
def attempted(folder: Path, run: str) -> Iterator[int]:
    """Note that a slide is begun, and which time it is in this run; `SetAsideError` at the third."""
    before = begun(folder, run)
    try:
        if before >= MOST_DEATHS:
            raise SetAsideError(
                f"{SET_ASIDE}: {before} workers vanished while they scored it. Out of memory? The system's log tells. "
                "The same command tries it again; with --slides-at-once 1 it has the machine for itself."
            )
        write_text(folder / NOTE_NAME, json.dumps({"run": run, "begun": before + 1}))
        yield before + 1
    finally:  # not reached by a worker that vanishes
        (folder / NOTE_NAME).unlink(missing_ok=True)


def begun(folder: Path, run: str) -> int:
    """How often the slide was begun in this run, and neither done nor failed."""
    note = read_document(folder / NOTE_NAME)
    if note.get("run") != run or not isinstance(note.get("begun"), int):
        return 0
    return int(note["begun"])
