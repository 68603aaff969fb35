"""``wsi-haloae score``: slides and a model in, heatmaps out.

    slide -> tissue -> grid at the checkpoint's mpp -> score_slide -> ScoreStore -> exports

Each stage continues from what an interrupted run left. ``--keep-tiles`` writes the pixels to a TileStore first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from wsi_haloae.atomic import remove
from wsi_haloae.errors import UsageError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.export.overview import write_overview
from wsi_haloae.export.printed import scored_lines
from wsi_haloae.export.removal import remove_outputs
from wsi_haloae.export.run_facts import run_facts
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.export_set import finish_export
from wsi_haloae.runs.retry import begin_again, counted, finished_before, look_again
from wsi_haloae.scoring.adapt_slide import marked_tiles, require_adaptable, require_neighbours
from wsi_haloae.scoring.compute import Compute
from wsi_haloae.scoring.open_scores import open_scores
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.score_plan import ScorePlanner, load_slide_model, require_colours
from wsi_haloae.scoring.score_slide import score_slide
from wsi_haloae.slide.file_state import FileState
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_store import STORE_NAME as TILES_NAME
from wsi_haloae.tiles.chosen import ChosenTiles
from wsi_haloae.tiles.tiler import fill_tiles
from wsi_haloae.workspace.batch_result import BatchResult, for_each_slide
from wsi_haloae.workspace.lock import tidy
from wsi_haloae.workspace.record import RECORD_NAME
from wsi_haloae.workspace.recorder import RunRecorder
from wsi_haloae.workspace.slide_inputs import SlideInput


def score_slides(
    slides: Sequence[SlideInput], output: Path, options: ScoreOptions, arguments: Mapping[str, Any], reporter: Reporter
) -> BatchResult:
    """Score every slide into ``output/<name>/``, and index them. Raises errors that concern all of them."""
    run = ScoreRun.of(options)
    tidy(output)
    result = for_each_slide(slides, output, run.score_one, "score", arguments, reporter)
    write_overview(output, scored=result.usable)
    return result


class ScoreRun:
    """One call of ``score``: the model, loaded once, and the steps of each slide."""

    def __init__(self, planner: ScorePlanner, options: ScoreOptions) -> None:
        self.planner, self._options = planner, options
        self.model_sha256 = planner.checkpoint.sha256

    @classmethod
    def of(cls, options: ScoreOptions, turns: Path | None = None) -> Self:
        """Load the model; ``turns``: see `Compute`. Raises what would make every slide fail."""
        require_adaptable(options.adapt, options.anchors)
        checkpoint, mpp = load_slide_model(options.model)
        require_colours(checkpoint, options)
        adapts = options.anchors is not None or options.adapt not in {None, "none"} or options.smooth
        if checkpoint.descriptors is None and adapts:
            raise UsageError(
                f"{options.model}: trained by a version that did not describe tiles, so its scores can be neither "
                "adapted nor smoothed. Leave out --adapt, --anchors and --smooth, or train the model again."
            )
        return cls(ScorePlanner.of(checkpoint, mpp, Compute(checkpoint, options, turns), options), options)

    def score_one(self, source: SlideInput, folder: Path, record: RunRecorder) -> int:
        """Take one slide through all stages. Returns the number of tiles that could not be read."""
        options, planner, reporter = self._options, self.planner, record.reporter
        source = planner.as_trained(source)
        with closing(source.open()) as slide:
            plan = planner.plan(source, slide.properties, reporter)
            file = FileState.of(source.path)
            finished = None if options.overwrite else finished_before(folder, plan.header, options, reporter)
            if finished:
                again = look_again(source, folder, finished, file, options, reporter)
                if again is None:
                    return counted(finished)
                options = again
            chosen = plan.choose(slide, reporter)
            require_neighbours(options.smooth, plan.header)
            if anchors := options.anchors or source.anchors:  # a mistake in the file is told now
                marked_tiles(anchors, plan.header.slide, chosen.index, reporter)
        if options.overwrite:  # only now: every error in the command has been reported
            remove_outputs(folder)
        elif finished:
            begin_again(folder, finished, chosen.index)
        record.lap("tissue")
        scores = open_scores(folder, plan.header, chosen, planner.checkpoint, reporter)
        (folder / RECORD_NAME).unlink(missing_ok=True)
        if not scores.finished:
            self._score(source, chosen, scores, options, record)
        exported = write_exports(scores, folder)
        record.lap("exports")
        if not options.keep_tiles:
            remove(folder / TILES_NAME)
        # A part of the thumbnail that could not be read may have held tissue.
        unreadable = int((scores.states() == TileState.UNREADABLE).sum()) + len(chosen.mask.warnings)
        record.facts = run_facts(source.absolute, file, options.model.resolve(), exported, chosen, unreadable)
        record.write(folder, "done" if len(scores) else "empty")
        finish_export(folder, reporter)
        for line in scored_lines(exported, folder, unreadable):
            reporter.line(f"{source.path}: {line}")
        chosen.require_some()
        return unreadable

    def _score(
        self, source: SlideInput, chosen: ChosenTiles, scores: ScoreStore, options: ScoreOptions, record: RunRecorder
    ) -> None:
        """Compute the scores; the pixels come from the slide, or from a tile store that is wanted or there already."""
        planner, readers, path = self.planner, options.num_workers, scores.path.parent / TILES_NAME
        pixels = chosen.tiling.properties.reader
        record.reporter.detail(f"{source.path}: {scores.header.compute}, {readers} readers, pixels by {pixels}")
        tiles = None
        if options.keep_tiles or path.exists():
            tiles = fill_tiles(source, path, chosen.tiling.header(), chosen, readers, record.reporter)
            record.lap("tiling")
        model, device = planner.checkpoint, planner.compute.device
        with planner.compute.turn(record.lap):
            score_slide(source, model, scores, options, device=device, reporter=record.reporter, tiles=tiles)
        record.lap("scoring")
