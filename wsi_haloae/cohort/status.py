"""``wsi-haloae status``: how far the slides of a folder are, read from its files alone.

Nothing is asked of workers or schedulers, so it answers from any machine that sees the folder, while slides are
scored and after.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from wsi_haloae.cohort.table import ENDED, LOG_NAME, NAME, Row, read_cohort
from wsi_haloae.errors import StoreError, UsageError
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.workspace.record import RECORD_NAME, RunRecord

SILENT_SECONDS = 300
"""Without a line in its log or a shard in its store, after which a running slide is doubted."""
FAILURES_SHOWN = 20
ORDER = ("done", "empty", "incomplete", "running", "waiting", "unfinished", "failed", "set aside")


@dataclass(frozen=True)
class Progress:
    """A slide that is begun and not ended: tiles scored of all, and seconds since its last sign of life."""

    row: Row
    scored: int
    tiles: int
    silent: float


def gather(output: Path) -> list[Row]:
    """A row for each slide of a folder.

    Slides that were scored one by one have no row in cohort.csv, and are told by their folders.
    """
    rows = read_cohort(output)
    for folder in sorted(path.parent for name in (RECORD_NAME, STORE_NAME) for path in output.glob(f"*/{name}")):
        if folder.name not in rows:
            rows[folder.name] = _by_its_folder(folder)
    return [rows[name] for name in sorted(rows)]


def in_progress(output: Path, rows: Sequence[Row]) -> list[Progress]:
    """The slides that are begun and not ended."""
    return [_progress(output / row.name, row) for row in rows if row.state in {"running", "unfinished"}]


def describe(output: Path) -> list[str]:
    """What a person wants to know, in lines; `UsageError` for a folder without slides."""
    rows = gather(output)
    if not rows:
        raise UsageError(f"{output}: no slides here; name the folder that 'wsi-haloae score -o' writes to.")
    counts = Counter(row.state for row in rows)
    parts = [f"{counts[state]:,} {state}" for state in ORDER if counts[state]]
    lines = [f"{output}: {len(rows):,} slides: {', '.join(parts)}"]
    lines += cannot_call(output, [row.name for row in rows])
    lines += [_progress_words(each) for each in in_progress(output, rows)]
    left = _seconds_left(rows)
    if left is not None:
        lines.append(f"about {timedelta(seconds=round(left))} left, by the slides that are done")
    failed = [row for row in rows if row.state in {"failed", "set aside"}]
    lines += [f"{row.state}: {row.name}: {row.error.splitlines()[0]}" for row in failed[:FAILURES_SHOWN] if row.error]
    if len(failed) > FAILURES_SHOWN:
        lines.append(f"and {len(failed) - FAILURES_SHOWN:,} more: column 'error' of {output / NAME}")
    return lines


def cannot_call(output: Path, names: Sequence[str]) -> list[str]:
    """Why no tile can be called on some of the slides, each reason once, with how many slides it is true of."""
    reasons = Counter(reason for name in names if (reason := _why_none(output / name)))
    return [f"{reason} This is so on {count:,} of {len(names):,} slides." for reason, count in sorted(reasons.items())]


def _why_none(folder: Path) -> str | None:
    record = RunRecord.read(folder)
    if record is None:
        return None
    told = record.as_exported()
    return told.summary.why_none if told.summary and told.anomalous is None else None


def _by_its_folder(folder: Path) -> Row:
    record = RunRecord.read(folder)
    if record is None:
        return Row(folder.name, state="unfinished")
    tiles = "" if record.counts.tiles is None else str(record.counts.tiles)
    state = "incomplete" if record.counts.unreadable else record.state
    return Row(folder.name, tiles=tiles, error=record.error, state=state)


def _progress(folder: Path, row: Row) -> Progress:
    scored = tiles = 0
    try:
        store = ScoreStore.open(folder / STORE_NAME)
        tiles = len(store)
        scored = tiles - store.count_tiles(store.pending_shards())
    except StoreError:  # not made yet
        pass
    signs = [path.stat().st_mtime for path in (folder / LOG_NAME, folder / STORE_NAME / "state" / "c") if path.exists()]
    return Progress(row, scored, tiles, time.time() - max(signs, default=time.time()))


def _progress_words(progress: Progress) -> str:
    row, tiles = progress.row, f"{progress.scored:,} of {progress.tiles:,} tiles"
    words = f"{row.state}: {row.name}: {tiles if progress.tiles else 'looking for tissue'}"
    words += f", on {row.worker}" if row.worker else ""
    if progress.silent > SILENT_SECONDS:
        words += f"; no sign of life for {timedelta(seconds=round(progress.silent))}: is its run still going on?"
    return words


def _seconds_left(rows: Sequence[Row]) -> float | None:
    """By the mean of those that are done, while some are being scored."""
    running = sum(row.state == "running" for row in rows)
    taken = [float(row.seconds) for row in rows if row.state in ENDED and row.seconds]
    to_come = sum(row.state in {"running", "waiting"} for row in rows)
    if not (running and taken):
        return None
    return to_come * sum(taken) / len(taken) / running
