"""What ``score`` does with a slide that is scored already: nothing, unless tiles are to be read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wsi_haloae.atomic import remove
from wsi_haloae.calibration.selection import Criterion
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.export.begun import BegunExport
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.runs.export_set import finish_export
from wsi_haloae.scoring.as_asked import require_as_asked
from wsi_haloae.scoring.open_scores import finished_record
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.slide.file_state import FileState
from wsi_haloae.stores.retry import begin_unreadable_again
from wsi_haloae.stores.score_header import ScoreHeader
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.tile_store import STORE_NAME as TILES_NAME
from wsi_haloae.tiles.chosen import no_tissue
from wsi_haloae.workspace.record import RunRecord, is_finished
from wsi_haloae.workspace.slide_inputs import SlideInput


def finished_before(folder: Path, header: ScoreHeader, options: ScoreOptions, reporter: Reporter) -> RunRecord | None:
    """The record of an earlier run that scored the slide to its end, as it is asked for now; None without one.

    An export that had begun and not ended is written first. Raises `OutputExistsError` for scores of another way.
    """
    if is_finished(folder, "score"):
        finish_export(folder, reporter)
    require_as_asked(folder, options, reporter)
    return finished_record(folder, header)


def look_again(
    slide: SlideInput, folder: Path, record: RunRecord, now: FileState, options: ScoreOptions, reporter: Reporter
) -> ScoreOptions | None:
    """Whether a finished slide has unreadable tiles to try again: if asked to, or if its file was changed since.

    Returns the options to score them with; None if there is nothing to do. Raises `OutputExistsError` if all tiles were
    read, but not from these pixels. ``now`` is what the slide's file is like.
    """
    lost, before = len(ScoreStore.open(folder / STORE_NAME).unreadable()), _recorded(record)
    changed = before is not None and before != now
    if lost and (options.retry_unreadable or changed):
        why = "as you asked" if options.retry_unreadable else "because the slide's file was changed since"
        reporter.line(f"{slide.path}: {with_noun(lost, 'tile')} could not be read; trying again, {why}")
        return replace(options, keep_tiles=options.keep_tiles or (folder / TILES_NAME).exists())
    if before is not None and before.samples != now.samples:
        raise OutputExistsError(
            f"{slide.path}: this file was changed after it was scored. By size and headers it is the same slide, but "
            f"some of its bytes differ. Put the scored file back, or pass --overwrite to score this one. ({folder})"
        )
    hint = f"; {with_noun(lost, 'tile')} could not be read: --retry-unreadable tries again" if lost else ""
    reporter.line(f"{slide.path}: scored already, nothing to do ({folder}){hint}")
    return None


def counted(record: RunRecord) -> int:
    """The unreadable tiles of a finished slide. Raises `NoTissueError` again where the run that finished it did."""
    if record.tissue.why_empty:
        raise no_tissue(record.tissue.why_empty)
    return record.counts.unreadable


def begin_again(folder: Path, record: RunRecord, index: TileIndex) -> None:
    """Begin the unreadable tiles of a finished slide again. Raises `OutputExistsError` if it has other tiles now."""
    store = ScoreStore.open(folder / STORE_NAME)
    store.require_same(store.header, index)
    _note(store, record).note(folder)
    remove(folder / TILES_NAME)  # it lacks the pixels of these tiles
    begin_unreadable_again(store)


def _recorded(record: RunRecord) -> FileState | None:
    """None for the record of an older version."""
    try:
        return FileState.model_validate((record.slide.model_extra or {}).get("file"))
    except ValidationError:
        return None


def _note(store: ScoreStore, record: RunRecord) -> BegunExport:
    """The files and the adaptation that the slide has now: `score` writes its usual ones, and then these."""
    exported = (record.model_extra or {}).get("export")
    given = exported.get("arguments") if isinstance(exported, dict) else None
    arguments: dict[str, Any] = given if isinstance(given, dict) else {}
    adapted, criterion = store.adapted, Criterion.recorded(record.called and record.called.criterion)
    there = {name for name, row in FORMATS.items() if any((store.path.parent / file).exists() for file in row.files)}
    return BegunExport(
        formats=tuple(name for name in FORMATS if name in there),
        **criterion.facts(),
        **{
            name: known
            for name in ("min_score", "merge", "gz")
            if isinstance(known := arguments.get(name), bool | float)
        },
        adapt=adapted and adapted.record.asked,
        anchors=adapted.record.anchors if adapted else (),
        radius=store.radius,
        arguments=arguments,
    )
