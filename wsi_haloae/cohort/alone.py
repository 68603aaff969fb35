"""``wsi-haloae score`` for one slide: in this process, without Dask, whose import takes longer than a small slide."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsi_haloae.cohort.overview import write_cohort
from wsi_haloae.cohort.table import CohortTable, read_cohort, state_of
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import score_slides
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.workspace.batch_result import BatchResult, admit
from wsi_haloae.workspace.record import RunRecord
from wsi_haloae.workspace.slide_inputs import SlideInput


def score_alone(
    slide: SlideInput, output: Path, options: ScoreOptions, arguments: Mapping[str, Any], reporter: Reporter
) -> BatchResult:
    """Score one slide. It gets a row in cohort.csv like every other slide."""
    begun = time.monotonic()
    admitted, outcome = admit([slide], output, reporter)
    if not admitted:
        outcome.say(reporter)
        return outcome
    read_cohort(output)  # a broken table is an error before the work, not after it
    outcome = score_slides(admitted, output, options, arguments, reporter)
    result, record = outcome.results[0], RunRecord.read(output / slide.name, "score")
    state, tiles = state_of(result, record), None if record is None else record.counts.tiles
    table = CohortTable(output, [slide])
    seconds = None if result.refused else round(time.monotonic() - begun, 3)
    error = "" if result.refused else "".join(reporter.errors[-1:])
    table.update(slide.name, state=state, error=error, seconds=seconds, tiles=tiles)
    table.write()
    write_cohort(output, reporter)
    return outcome
