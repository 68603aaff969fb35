"""The files of one export of one slide, as a set: all of them, or after a kill a note by which the next run goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from wsi_haloae.export.begun import BegunExport
from wsi_haloae.export.bundle import exportable, write_exports
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.summary import recorded_calling
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.adapt_slide import tell_note
from wsi_haloae.stores.adaptation import AdaptedScores
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.workspace.record import Called, RunRecord


def write_set(folder: Path, asked: BegunExport, reporter: Reporter) -> OpenStore:
    """Adapt the scores in ``folder`` and write its files, as ``asked``. Needs the folder's lock.

    Every error in what was asked is raised before anything is changed.
    """
    begun, clock = datetime.now(UTC), time.monotonic()
    store = ScoreStore.open(folder / STORE_NAME)
    with reporter.timed(f"{folder}: adaptation"):
        adapted = _adaptation(store, asked)
    exportable(store if adapted is None else store.adapted_to(adapted), asked.settings, asked.formats)
    with asked.noted(folder):
        if adapted is not None:
            store.keep(adapted)
            tell_note(store, adapted.record.note, reporter)
        with reporter.timed(f"{folder}: {', '.join(asked.formats)}"):
            source = write_exports(store, folder, asked.settings, asked.formats)
        if asked.formats:
            export = {
                "arguments": asked.arguments,
                "formats": list(asked.formats),
                "started": begun.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - clock, 3),
                **recorded_calling(source.tiles),
            }
            _add_to_record(folder, source, export)
    return source


def finish_export(folder: Path, reporter: Reporter) -> bool:
    """Write the files of an export that has begun and not ended, if there is one and all tiles are scored.

    Needs the folder's lock. Returns whether there was one.
    """
    asked = BegunExport.read(folder)
    if asked is None or ScoreStore.open(folder / STORE_NAME).pending_shards():
        return False
    reporter.line(f"{folder}: an export had begun here and not ended; its files are written again")
    write_set(folder, asked, reporter)
    return True


def _adaptation(store: ScoreStore, asked: BegunExport) -> AdaptedScores | None:
    if asked.adapt is None:
        return None
    return store.adaptation(asked.adapt, np.array(asked.anchors, np.int64), asked.radius)


def _add_to_record(folder: Path, source: OpenStore, export: Mapping[str, Any]) -> None:
    """Add this export to the record, and keep all that it says about the scoring.

    Index, study and viewer show what the report calls anomalous, so only an export that writes one changes that.
    """
    record = RunRecord.read(folder)
    if record:
        adapted, shown = source.tiles.adapted, source.header.model
        scale = {"rule": shown.rule, "display_range": shown.display_range}
        news: dict[str, Any] = {
            "export": export,
            "adaptation": adapted and adapted.model_dump(mode="json"),
            "model": record.model.model_copy(update=scale),
        }
        if "report" in export["formats"]:
            criterion = source.settings.criterion.facts()
            news["called"] = Called.model_validate({"criterion": criterion, **recorded_calling(source.tiles)})
        record.model_copy(update=news).write(folder)
