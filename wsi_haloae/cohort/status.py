"""``wsi-haloae status``: the progress of the slides of a folder, read from its files alone.

It does not contact workers or schedulers, so it works on any machine that can read the folder, during scoring and
afterwards.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from wsi_haloae.cohort.table import LOG_NAME, NAME, UNFINISHED, Row, read_cohort, recorded_state
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.export.begun import why_mixed
from wsi_haloae.progress import with_noun
from wsi_haloae.stores.filling import SHARDS_NAME
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.workspace.lock import is_held
from wsi_haloae.workspace.record import RECORD_NAME, RunRecord

SILENT_SECONDS = 300
"""A running slide with no new log line or stored shard for this long is reported as silent."""
FAILURES_SHOWN = 20
FINISHED = frozenset({"done", "empty", "incomplete"})
"""States of slides that have outputs, and a record that says so."""
ORDER = ("done", "empty", "incomplete", "running", "waiting", UNFINISHED, "failed", "set aside")


@dataclass(frozen=True)
class Progress:
    """A slide that is being scored: scored tiles, all tiles, and seconds since the last sign of activity."""

    row: Row
    scored: int
    tiles: int
    silent: float


def gather(output: Path) -> list[Row]:
    """One row for each slide of a folder.

    Slides without a row in cohort.csv are found by their folders. A folder with the record of another command is none:
    tiles, or a model that was trained there.
    """
    rows = read_cohort(output)
    for folder in sorted({path.parent for name in (RECORD_NAME, STORE_NAME) for path in output.glob(f"*/{name}")}):
        if folder.name not in rows and ((folder / STORE_NAME).exists() or not _is_anothers(folder)):
            rows[folder.name] = _by_its_folder(folder, Row(folder.name))
    return [_as_it_is(output, rows[name]) for name in sorted(rows)]


def _is_anothers(folder: Path) -> bool:
    record = RunRecord.read(folder)
    return record is not None and record.command != "score"


def _as_it_is(output: Path, row: Row) -> Row:
    """A row of cohort.csv, corrected by the slide's folder.

    Its record goes when it is scored again, and a run that was killed could not write that it has ended.
    """
    folder = output / row.name
    if row.state in {"running", UNFINISHED}:
        return replace(row, state="running") if is_held(folder) else replace(_by_its_folder(folder, row), worker="")
    gone = row.state in FINISHED and RunRecord.read(folder, "score") is None
    return replace(row, state=UNFINISHED, error="") if gone else row


def in_progress(output: Path, rows: Sequence[Row]) -> list[Progress]:
    """The slides that have begun and not ended."""
    return [_progress(output / row.name, row) for row in rows if row.state in {"running", UNFINISHED}]


def describe(output: Path) -> list[str]:
    """The lines that ``status`` prints. Raises `UsageError` for a folder without slides."""
    rows = gather(output)
    if not rows:
        raise UsageError(f"{output}: no slides here. Name the folder that 'wsi-haloae score -o' writes to.")
    counts = Counter(row.state for row in rows)
    parts = [f"{counts[state]:,} {state}" for state in ORDER if counts[state]]
    lines = [f"{output}: {with_noun(len(rows), 'slide')}: {', '.join(parts)}"]
    lines += cannot_call(output, [row.name for row in rows])
    lines += [_progress_words(each) for each in in_progress(output, rows)]
    lines += [f"{row.name}: {words}" for row in rows if (words := why_mixed(output / row.name))]
    left = _seconds_left(rows)
    if left is not None:
        lines.append(f"about {timedelta(seconds=round(left))} left, estimated from the finished slides")
    failed = [row for row in rows if row.state in {"failed", "set aside"}]
    lines += [f"{row.state}: {row.name}: {row.error.splitlines()[0]}" for row in failed[:FAILURES_SHOWN] if row.error]
    if len(failed) > FAILURES_SHOWN:
        lines.append(f"and {len(failed) - FAILURES_SHOWN:,} more: column 'error' of {output / NAME}")
    return lines


def cannot_call(output: Path, names: Sequence[str]) -> list[str]:
    """Why no tile can be called on some of the slides: each reason once, with the number of slides it applies to."""
    reasons = Counter(reason for name in names if (reason := _why_none(output / name)))
    total = with_noun(len(names), "slide")
    return [f"{reason} This applies to {count:,} of {total}." for reason, count in sorted(reasons.items())]


def _why_none(folder: Path) -> str | None:
    record = RunRecord.read(folder, "score")
    if record is None:
        return None
    exported = record.as_exported()
    return exported.summary.why_none if exported.summary and exported.anomalous is None else None


def _by_its_folder(folder: Path, row: Row) -> Row:
    record = RunRecord.read(folder, "score")
    state = recorded_state(record)
    if record is None:
        return replace(row, state=state)
    tiles = "" if record.counts.tiles is None else str(record.counts.tiles)
    return replace(row, tiles=tiles, error=record.error, state=state)


def _progress(folder: Path, row: Row) -> Progress:
    scored = tiles = 0
    try:
        store = ScoreStore.open(folder / STORE_NAME)
        tiles = len(store)
        scored = tiles - store.count_tiles(store.pending_shards())
    except StoreError:  # it does not exist yet
        pass
    signs = [path.stat().st_mtime for path in (folder / LOG_NAME, folder / STORE_NAME / SHARDS_NAME) if path.exists()]
    return Progress(row, scored, tiles, time.time() - max(signs, default=time.time()))


def _progress_words(progress: Progress) -> str:
    row, tiles = progress.row, f"{progress.scored:,} of {progress.tiles:,} tiles"
    none = "looking for tissue" if row.state == "running" else "no tile scored"
    words = f"{row.state}: {row.name}: {tiles if progress.tiles else none}"
    words += f", on {row.worker}" if row.worker else ""
    if row.state == UNFINISHED:
        return words
    if progress.silent > SILENT_SECONDS:
        words += f"; no activity for {timedelta(seconds=round(progress.silent))}: check that its run is still alive"
    return words


def _seconds_left(rows: Sequence[Row]) -> float | None:
    """Estimated from the mean time of finished slides; None unless some are finished and some are being scored."""
    running = sum(row.state == "running" for row in rows)
    taken = [float(row.seconds) for row in rows if row.state in FINISHED and row.seconds]
    to_come = sum(row.state in {"running", "waiting"} for row in rows)
    if not (running and taken):
        return None
    return to_come * sum(taken) / len(taken) / running
