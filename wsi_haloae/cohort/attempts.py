"""Counts how often a slide was begun in a run, so that a slide that kills its workers is not tried forever.

Dask blames every slide that was assigned to a dead worker, begun or not. So the worker itself writes a note into the
slide's folder when it begins, and removes it when it succeeds or fails. A note is only left behind if the worker died
during this slide.
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
    """Note that a slide is begun, and yield the number of the attempt; `SetAsideError` at the third attempt."""
    before = begun(folder, run)
    try:
        if before >= MOST_DEATHS:
            raise SetAsideError(
                f"{SET_ASIDE}: {before} workers died while they scored it, perhaps for lack of memory (see the "
                "system's log). Repeat the command to try it again; with --slides-at-once 1 no other slide uses "
                "the machine."
            )
        write_text(folder / NOTE_NAME, json.dumps({"run": run, "begun": before + 1}))
        yield before + 1
    finally:  # a worker that dies does not get here
        (folder / NOTE_NAME).unlink(missing_ok=True)


def begun(folder: Path, run: str) -> int:
    """How often the slide was begun in this run without succeeding or failing."""
    note = read_document(folder / NOTE_NAME)
    if note.get("run") != run or not isinstance(note.get("begun"), int):
        return 0
    return int(note["begun"])
