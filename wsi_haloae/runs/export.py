"""``wsi-haloae export``: write the files of scored slides again, from their stores; no scoring, and no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.export.asked_rate import require_rate
from wsi_haloae.export.begun import BegunExport
from wsi_haloae.export.formats import all_files, check_formats
from wsi_haloae.export.open_store import ExportSettings
from wsi_haloae.export.overview import write_overview
from wsi_haloae.export.printed import exported_lines
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import about
from wsi_haloae.runs.export_set import finish_export, write_set
from wsi_haloae.scoring.adapt_slide import require_adaptable, wished
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.workspace.batch_result import BatchResult, attempt, naming_a_full_disk
from wsi_haloae.workspace.lock import locked, tidy


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
    with locked(folder, reporter.warn), naming_a_full_disk(folder):
        store = ScoreStore.open(folder / STORE_NAME)
        pending = store.count_tiles(store.pending_shards())
        if pending:
            raise StoreError(
                f"{store.path}: {pending:,} of {len(store):,} tiles are not scored yet. "
                "Run the same 'wsi-haloae score' command again: it continues where it stopped."
            )
        finish_export(folder, reporter)
        before = [path for path in all_files(folder) if path.exists()]
        source = write_set(folder, _asked(store, options, arguments), reporter)
    for line in exported_lines(source, folder, options.formats, [path for path in before if not path.exists()]):
        reporter.line(f"{folder}: {line}")
    return 0  # unreadable tiles are counted by `score`


def _asked(store: ScoreStore, options: ExportOptions, arguments: Mapping[str, Any]) -> BegunExport:
    settings = options.settings
    anew = options.adapt or options.anchors or options.smooth not in {None, store.radius or 0}
    wish = wished(store, options.adapt, options.anchors, options.smooth) if anew else None
    return BegunExport(
        formats=tuple(options.formats),
        **settings.criterion.facts(),
        min_score=settings.min_score,
        merge=settings.merge,
        gz=settings.gz,
        adapt=wish and wish.asked,
        anchors=tuple(wish.marked.tolist()) if wish else (),
        radius=wish and wish.radius,
        arguments=dict(arguments),
    )


def _say_failure(folder: Path, reporter: Reporter, error: str) -> None:
    reporter.error(about(folder, error))
