"""``wsi-haloae export``: every file of scored slides again, from their stores, without scoring and without torch."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import write_text
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.export.bundle import ExportSettings, OpenStore, write_exports
from wsi_haloae.export.formats import check_formats
from wsi_haloae.export.qupath_scripts import write_project_scripts
from wsi_haloae.export.region_geojson import WHY_NONE
from wsi_haloae.export.summary import summarise
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.lock import locked
from wsi_haloae.runs.outcome import Outcome, attempt, naming_a_full_disk
from wsi_haloae.runs.record import RECORD_NAME, read_record
from wsi_haloae.runs.slide_index import write_index
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore


@dataclass(frozen=True)
class ExportOptions:
    """What ``wsi-haloae export`` was asked for."""

    formats: Sequence[str]
    settings: ExportSettings


def export_slides(scored: Path, options: ExportOptions, arguments: Mapping[str, Any], reporter: Reporter) -> Outcome:
    """Write the exports of ``scored``, the folder of one slide or of many. `UsageError` where no slide is scored."""
    check_formats(options.formats)
    alone = (scored / STORE_NAME).exists()
    folders = [scored] if alone else sorted(path.parent for path in scored.glob(f"*/{STORE_NAME}"))
    if not folders:
        raise UsageError(f"{scored}: no scored slide here; name the folder that 'wsi-haloae score -o' wrote.")
    outcome = Outcome()
    for folder in folders:
        work = partial(_export_one, folder, options, arguments, reporter)
        outcome.add(attempt(folder.name, work, partial(_say_failure, folder, reporter), reporter))
    if outcome.done and not alone:
        write_project_scripts(scored)
        write_index(scored)
    outcome.say(reporter)
    return outcome


def _export_one(folder: Path, options: ExportOptions, arguments: Mapping[str, Any], reporter: Reporter) -> int:
    begun, clock = datetime.now(UTC), time.monotonic()
    with locked(folder), naming_a_full_disk(folder):
        store = ScoreStore.open(folder / STORE_NAME)
        pending = store.count_tiles(store.pending_shards())
        if pending:
            raise StoreError(
                f"{store.path}: {pending:,} of {len(store):,} tiles are not scored yet. "
                "Give the 'wsi-haloae score' command again: it goes on where it stopped."
            )
        with reporter.timed(f"{folder}: {', '.join(options.formats)}"):
            source = write_exports(store, folder, options.settings, options.formats)
        facts = _facts(source)
        told = {
            "arguments": arguments,
            "formats": list(options.formats),
            "started": begun.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            **facts,
        }
        called = {"criterion": options.settings.criterion.facts(), **facts} if "report" in options.formats else None
        _add_to_record(folder / RECORD_NAME, told, called)
    reporter.line(f"{folder}: {_words(source)}")
    if called is None:
        reporter.line(f"{folder}: only {', '.join(options.formats)} written; all other files are as they were")
    return 0  # tiles that cannot be read are those of the scoring


def _facts(source: OpenStore) -> dict[str, Any]:
    selection, summary = source.tiles.selection, asdict(summarise(source.tiles))
    if selection is None:
        return {"anomalous": None, "summary": summary}
    counts = {"anomalous": int(selection.chosen.sum())}
    return {"anomalous": selection.facts(), "counts": counts, "summary": summary}


def _words(source: OpenStore) -> str:
    selection, tiles = source.tiles.selection, f"{len(source.tiles):,} tiles"
    if selection is None:
        return f"{tiles}, {WHY_NONE}"
    return f"{tiles}, {int(selection.chosen.sum()):,} of them in {len(source.regions):,} regions: {selection.words}"


def _add_to_record(path: Path, export: Mapping[str, Any], called: Mapping[str, Any] | None) -> None:
    """The last export beside what the record says of the scoring, of which nothing is lost.

    ``called`` is what the report says now: index, study and viewer follow it.
    """
    record = read_record(path)
    if record:
        told = {**record, "export": export, **({} if called is None else {"called": called})}
        write_text(path, json.dumps(told, indent=2, ensure_ascii=False, default=str) + "\n")


def _say_failure(folder: Path, reporter: Reporter, error: str) -> None:
    reporter.error(error if str(folder) in error else f"{folder}: {error}")
