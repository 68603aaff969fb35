"""``wsi-haloae export``: write the files of scored slides again, from their stores; no scoring, and no torch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.export.asked_rate import require_rate
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.formats import check_formats
from wsi_haloae.export.open_store import ExportSettings, OpenStore
from wsi_haloae.export.overview import write_overview
from wsi_haloae.export.printed import exported_line
from wsi_haloae.export.summary import recorded_calling
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.adapt_slide import adapt_slide, require_adaptable
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.workspace.batch_result import BatchResult, attempt, naming_a_full_disk
from wsi_haloae.workspace.lock import locked, tidy
from wsi_haloae.workspace.record import Called, RunRecord


@dataclass(frozen=True)
class ExportOptions:
    """Which files ``wsi-haloae export`` writes, and by which settings.

    ``adapt`` and ``anchors`` None: the scores stay adapted as they are. ``smooth`` None: they stay as smooth.
    """

    formats: Sequence[str]
    settings: ExportSettings
    adapt: Asked | None = None
    anchors: Path | None = None
    smooth: float | None = None


def export_slides(
    scored: Path, options: ExportOptions, arguments: Mapping[str, Any], reporter: Reporter
) -> BatchResult:
    """Write the exports of ``scored``, the folder of one slide or of many.

    Raises `UsageError` if no slide is scored, or if the false-discovery rate cannot be kept on one of them. That is
    checked before any file is written, so that the same criterion applies to all of them.
    """
    check_formats(options.formats)
    require_adaptable(options.adapt, options.anchors)
    alone = (scored / STORE_NAME).exists()
    # The user may name a link; a slide's folder in it must not be one.
    single = scored.resolve() if scored.is_symlink() else scored
    folders = [single] if alone else sorted(path.parent for path in scored.glob(f"*/{STORE_NAME}"))
    if not folders:
        raise UsageError(f"{scored}: no scored slide here; name the folder that 'wsi-haloae score -o' wrote.")
    if options.settings.criterion.fdr is not None:
        for folder in folders:
            with suppress(StoreError):  # a damaged store makes only its own slide fail, below
                require_rate(ScoreStore.open(folder / STORE_NAME), options.settings.criterion)
    result = BatchResult()
    if not alone:
        tidy(scored)
    for folder in folders:
        work = partial(_export_one, folder, options, arguments, reporter)
        result.add(attempt(folder.name, work, partial(_say_failure, folder, reporter), reporter))
    if result.done and not alone:
        write_overview(scored, scored=True)
    result.say(reporter)
    return result


def _export_one(folder: Path, options: ExportOptions, arguments: Mapping[str, Any], reporter: Reporter) -> int:
    begun, clock = datetime.now(UTC), time.monotonic()
    with locked(folder), naming_a_full_disk(folder):
        store = ScoreStore.open(folder / STORE_NAME)
        pending = store.count_tiles(store.pending_shards())
        if pending:
            raise StoreError(
                f"{store.path}: {pending:,} of {len(store):,} tiles are not scored yet. "
                "Run the same 'wsi-haloae score' command again: it continues where it stopped."
            )
        if options.adapt or options.anchors or options.smooth not in {None, store.radius or 0}:
            with reporter.timed(f"{folder}: adaptation"):
                adapt_slide(store, options.adapt, options.anchors, options.smooth, reporter)
        with reporter.timed(f"{folder}: {', '.join(options.formats)}"):
            source = write_exports(store, folder, options.settings, options.formats)
        facts = recorded_calling(source.tiles)
        export = {
            "arguments": arguments,
            "formats": list(options.formats),
            "started": begun.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            **facts,
        }
        called = {"criterion": options.settings.criterion.facts(), **facts} if "report" in options.formats else None
        _add_to_record(folder, source, export, called)
    reporter.line(f"{folder}: {exported_line(source)}")
    if called is None:
        reporter.line(f"{folder}: only {', '.join(options.formats)} written; all other files are as they were")
    return 0  # unreadable tiles are counted by `score`


def _add_to_record(
    folder: Path, source: OpenStore, export: Mapping[str, Any], called: Mapping[str, Any] | None
) -> None:
    """Add this export to the record, and keep all that it says about the scoring.

    ``called`` is what the report now says; index, study and viewer show it.
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
        if called is not None:
            news["called"] = Called.model_validate(called)
        record.model_copy(update=news).write(folder)


def _say_failure(folder: Path, reporter: Reporter, error: str) -> None:
    reporter.error(error if str(folder) in error else f"{folder}: {error}")
