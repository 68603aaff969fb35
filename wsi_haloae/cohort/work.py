"""The work of a Dask worker: it scores one slide at a time, with a model that it loads once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from distributed import Worker, get_worker

from wsi_haloae.cohort.attempts import attempted
from wsi_haloae.cohort.log import SlideProgress, slide_log
from wsi_haloae.cohort.table import state_of
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.processors.freed_memory import give_back_memory
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.workspace.batch_result import ItemResult, attempt_slide
from wsi_haloae.workspace.record import RECORD_NAME, RunRecord
from wsi_haloae.workspace.recorder import RunRecorder
from wsi_haloae.workspace.slide_inputs import SlideInput

TOPIC = "wsi-haloae"


@dataclass(frozen=True)
class SlideTask:
    """One slide of a run. Paths are absolute, because workers have other working directories.

    ``threads`` CPU threads compute a slide; None divides the worker's cores among its slots. ``turns`` is a folder for
    the locks of devices that workers share by turns; None: they do not wait for each other.
    """

    slide: SlideInput
    folder: Path
    run: str
    options: ScoreOptions
    model_sha256: str
    threads: int | None
    arguments: Mapping[str, Any]
    turns: Path | None = None


@dataclass(frozen=True)
class SlideReport:
    """The result of a slide and the cost of scoring it; the cost is None if an earlier run had scored it."""

    result: ItemResult
    state: str
    attempts: int | None
    seconds: float | None
    tiles: int | None
    worker: str | None


def score_on_worker(task: SlideTask) -> SlideReport:
    """Score one slide. Errors are returned in the report, never raised."""
    worker, begun = get_worker(), time.monotonic()
    attempts, before = 1, _signature(task.folder)

    def work(source: SlideInput, folder: Path, record: RunRecorder) -> int:
        nonlocal attempts
        with attempted(folder, task.run) as attempts:
            report_progress(worker, task.run, SlideProgress(task.slide.name, worker.address, attempts))
            record.reporter.line(f"attempt {attempts}, on {worker.address}")
            options = replace(task.options, device=own_device(task.options.device, worker.name))
            turns = task.turns and task.turns / f"{options.device.replace(':', '-')}.lock"
            run = _loaded(options, task.model_sha256, threads_for(task.threads, worker), turns)
            return run.score_one(source, folder, record)

    def progress(done: int, tiles: int, new: int) -> None:
        report_progress(worker, task.run, SlideProgress(task.slide.name, worker.address, attempts, done, tiles, new))

    with slide_log(task.folder, progress) as log:
        result = attempt_slide(task.slide, task.folder, work, "score", task.arguments, log)
    give_back_memory()
    record = RunRecord.read(task.folder, "score")
    state, tiles = state_of(result, record), None if record is None else record.counts.tiles
    if result.refused or (result.state != "failed" and _signature(task.folder) == before):
        return SlideReport(result, state, None, None, tiles, None)
    return SlideReport(result, state, attempts, round(time.monotonic() - begun, 3), tiles, worker.address)


def _signature(folder: Path) -> int | None:
    """Modification time of the run record; it changes when a run writes a new one."""
    path = folder / RECORD_NAME
    return path.stat().st_mtime_ns if path.exists() else None


def report_progress(worker: Worker, run: str, progress: SlideProgress) -> None:
    """Report progress to the listeners of this run."""
    worker.log_event(f"{TOPIC}-{run}", asdict(progress))


def own_device(device: str, worker_name: object) -> str:
    """The GPU with the number of a local worker; for other workers, ``device`` unchanged."""
    count = torch.cuda.device_count() if device in {"auto", "cuda"} else 0
    return f"cuda:{worker_name % count}" if count > 1 and isinstance(worker_name, int) else device


def threads_for(asked: int | None, worker: Worker) -> int:
    """Number of CPU threads that compute a slide on this worker."""
    return asked or max(1, available_cores() // worker.state.nthreads)


@lru_cache(maxsize=1)
def _loaded(options: ScoreOptions, model_sha256: str, threads: int, turns: Path | None) -> ScoreRun:
    run = ScoreRun.of(replace(options, threads=threads), turns)
    if run.model_sha256 != model_sha256:
        raise WsiHaloaeError(
            f"{options.model}: on this worker, this path holds another model than on the command's machine. "
            "Copy the model there, or use a folder that all machines share."
        )
    return run
