"""``wsi-haloae score`` for many slides: distributes them to workers, watches them, and collects the results.

    slides -> tasks -> Dask's scheduler -> workers (`work.score_on_worker`) -> reports -> cohort.csv

Dask decides which worker gets which slide and what happens if a worker dies; `runs.score` scores a single slide.
The outputs of a slide do not depend on how slides are distributed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Future, KilledWorker, as_completed

from wsi_haloae.cohort.attempts import MOST_DEATHS, SET_ASIDE, begun
from wsi_haloae.cohort.cluster import Cluster, ClusterOptions, connected
from wsi_haloae.cohort.overview import write_cohort
from wsi_haloae.cohort.status import cannot_call
from wsi_haloae.cohort.table import CohortTable
from wsi_haloae.cohort.watch import Watch
from wsi_haloae.cohort.work import TOPIC, SlideReport, SlideTask, score_on_worker
from wsi_haloae.errors import OutputExistsError, WsiHaloaeError
from wsi_haloae.export import index_page
from wsi_haloae.export.overview import write_overview
from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.stores.score_store import STORE_NAME
from wsi_haloae.stores.scored_as import stored_model
from wsi_haloae.workspace.batch_result import BatchResult, ItemResult, admit
from wsi_haloae.workspace.lock import tidy
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.slide_inputs import SlideInput


def score_cohort(
    slides: Sequence[SlideInput],
    output: Path,
    options: ScoreOptions,
    where: ClusterOptions,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> BatchResult:
    """Score every slide into ``output/<name>/`` on Dask workers. Raises errors that concern all slides."""
    sha256 = ScoreRun.of(replace(options, device="cpu")).model_sha256  # raises for a model that no worker could use
    slides, outcome = admit(slides, output, reporter)
    if not slides:
        outcome.say(reporter)
        return outcome
    if not options.overwrite:
        _refuse_another_models(slides, output, sha256)
    tidy(output)
    table = CohortTable(output, slides)
    try:
        device = resolve_device(options.device if where.scheduler is None else "cpu")
        with (
            connected(where, options.threads, device, len(slides), reporter) as cluster,
            reporter.track_slides("Scoring", len(slides)) as pace,
        ):
            run = uuid.uuid4().hex
            watch = Watch(table, pace, reporter)
            cluster.client.subscribe_topic(f"{TOPIC}-{run}", watch.hear)
            tasks = [_task(slide, output, run, options, sha256, cluster, arguments) for slide in slides]
            _Cohort(cluster, watch, outcome, reporter).go_through(tasks)
    finally:
        table.close()
    write_cohort(output, reporter)
    write_overview(output, scored=outcome.usable)
    outcome.say(reporter)
    for line in cannot_call(output, [slide.name for slide in slides]):
        reporter.line(line)
    if outcome.usable:
        reporter.line(f"look at {output / index_page.NAME}")
    return outcome


def _refuse_another_models(slides: Sequence[SlideInput], output: Path, sha256: str) -> None:
    """Raise `OutputExistsError`, before anything is changed, if another model scored some slides there."""
    others = [slide.name for slide in slides if stored_model(output / slide.name / STORE_NAME) not in {None, sha256}]
    if others:
        raise OutputExistsError(
            f"{output}: another model scored {len(others)} of these slides there ({', '.join(others[:3])}"
            f"{', ...' if len(others) > 3 else ''}). Nothing was changed. Choose another -o, or pass --overwrite to "
            "replace their results."
        )


class _Cohort:
    """Submits the tasks of a run and collects their reports."""

    def __init__(self, cluster: Cluster, watch: Watch, outcome: BatchResult, reporter: Reporter) -> None:
        self._cluster, self._watch, self._outcome, self._reporter = cluster, watch, outcome, reporter
        self._submitted: dict[str, tuple[SlideTask, Future[SlideReport]]] = {}

    def go_through(self, tasks: Sequence[SlideTask]) -> None:
        """Score all slides. If interrupted, slides that have not begun are cancelled."""
        try:
            reports = as_completed([self._submit(task) for task in tasks], loop=self._cluster.client.loop)
            for future in reports:
                again = self._take(future)
                if again is not None:
                    reports.add(self._submit(again))
        except BaseException:
            self._cluster.client.cancel([future for _, future in self._submitted.values()])
            raise

    def _submit(self, task: SlideTask) -> Future[SlideReport]:
        key = f"score-{task.slide.name}-{uuid.uuid4().hex[:8]}"
        resources = dict(self._cluster.resources)
        future = self._cluster.client.submit(score_on_worker, task, key=key, pure=False, resources=resources)
        self._submitted[key] = task, future
        return future

    def _take(self, future: Future[SlideReport]) -> SlideTask | None:
        """Collect one result, and let the scheduler forget it. Returns the task if it must be submitted again."""
        task, _ = self._submitted.pop(str(future.key))
        if future.status == "finished":
            self._report(future.result(), task.folder)
            return None
        error = future.exception() if future.status == "error" else None
        if error is None:
            raise WsiHaloaeError(
                "the connection to the scheduler was lost; finished slides are kept. Start the scheduler and repeat "
                "the command."
            )
        deaths = begun(task.folder, task.run)
        if isinstance(error, KilledWorker) and deaths < MOST_DEATHS:  # blamed for the crash of another slide
            return task
        self._fail(task.slide.name, error, deaths)
        return None

    def _report(self, report: SlideReport, folder: Path) -> None:
        result = report.result
        if result.error:
            self._reporter.error(f"{result.name}: {result.error}")
            self._reporter.detail(result.trace)
        elif report.seconds is not None:
            record = RunRecord.read(folder, "score")
            stages = {} if record is None else record.seconds
            self._reporter.detail(f"{result.name}: " + ", ".join(f"{name} {taken} s" for name, taken in stages.items()))
        self._outcome.add(result, before=report.seconds is None and not result.refused)
        self._watch.end(
            result.name,
            state=report.state,
            error="" if result.refused else result.error,
            attempts=report.attempts,
            seconds=report.seconds,
            tiles=report.tiles,
            worker=report.worker,
        )

    def _fail(self, name: str, error: BaseException, deaths: int) -> None:
        set_aside = deaths > 0
        reason = f"{SET_ASIDE if set_aside else 'not scored'}: {error}"
        self._reporter.error(f"{name}: {reason}")
        self._outcome.add(ItemResult(name, "failed", reason, set_aside=set_aside))
        self._watch.end(name, state=SET_ASIDE if set_aside else "failed", error=reason, attempts=deaths)


def _task(
    slide: SlideInput,
    output: Path,
    run: str,
    options: ScoreOptions,
    model_sha256: str,
    cluster: Cluster,
    arguments: Mapping[str, Any],
) -> SlideTask:
    """The task of a slide, with absolute paths."""
    absolute = replace(
        options,
        model=options.model.resolve(),
        roi=None if options.roi is None else options.roi.resolve(),
        coordinates=None if options.coordinates is None else options.coordinates.resolve(),
        tissue=options.tissue.resolve() if isinstance(options.tissue, Path) else options.tissue,
        num_workers=max(1, options.num_workers // cluster.sharing),
    )
    return SlideTask(
        slide=replace(slide, path=slide.absolute),
        folder=output.resolve() / slide.name,
        run=run,
        options=absolute,
        model_sha256=model_sha256,
        threads=cluster.threads,
        arguments=arguments,
        turns=cluster.turns,
    )
