"""``wsi-haloae evaluate-tiles``: a trained model against tiles that people have sorted into folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wsi_haloae.evaluation.judgement import upside_down
from wsi_haloae.evaluation.judgement_page import PAGE_NAME, score_lines
from wsi_haloae.evaluation.labelled_source import LabelledSource, TileFolders
from wsi_haloae.evaluation.tile_comparison import fit_baselines
from wsi_haloae.evaluation.tile_judgement import JudgedTiles, judge_tiles
from wsi_haloae.evaluation.tile_page import against_baselines, write_tile_judgement
from wsi_haloae.evaluation.unseen_tiles import unseen
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.scoring.compute import Compute
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.score_plan import load_slide_model
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.stain_matching import as_trained
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.workspace.lock import locked


@dataclass(frozen=True)
class EvaluateTilesOptions:
    """Options of ``wsi-haloae evaluate-tiles``; those of the tiles are in ``folders``."""

    folders: TileFolders
    device: str = "auto"
    threads: int | None = None


def evaluate_tiles(model: Path, output: Path | None, options: EvaluateTilesOptions, reporter: Reporter) -> int:
    """Score the tiles as ``score`` would, and judge them. Returns the exit code.

    JSON, pictures, a table and a page go to ``output``, by default a folder beside the model, as for its training.
    Raises `UsageError` or `CheckpointError` for what cannot be judged.
    """
    output = model.with_name(f"{model.stem}.evaluation") if output is None else output.resolve()
    checkpoint, mpp = load_slide_model(model)
    labelled, fit = options.folders.read(checkpoint.facts.tile_size, mpp)
    srgb = " and in sRGB" if checkpoint.facts.colour_profile == "apply" else ""
    reporter.line(f"{with_noun(len(labelled.classes), 'tile')}, taken to be at the model's {mpp:.4g} µm/px{srgb}")
    labelled, warnings = unseen(labelled, checkpoint.trained_on)
    with locked(output, reporter.warn):
        judged = _judge(checkpoint, model, labelled, fit, options, reporter)
        judged = replace(judged, warnings=[*warnings, *judged.warnings])
        write_tile_judgement(output, judged, checkpoint, options.folders.facts())
    found = judged.judgement
    lines = [*judged.warnings, *score_lines(found), against_baselines(found), upside_down(found)]
    lines += [found.false_calls.words] if found.false_calls else []
    for line in filter(None, (*lines, f"{output}: tables, pictures and {PAGE_NAME}")):
        reporter.line(line)
    return 0


def _judge(
    checkpoint: Checkpoint,
    model: Path,
    plain: LabelledSource,
    fit: TileSource | None,
    options: EvaluateTilesOptions,
    reporter: Reporter,
) -> JudgedTiles:
    compute = Compute(checkpoint, ScoreOptions(model, device=options.device, threads=options.threads, all_rules=True))
    labelled = replace(plain, source=as_trained(plain.source, checkpoint))
    baselines = None
    if fit is not None:
        numbers = np.arange(len(fit.groups))
        baselines = fit_baselines(checkpoint, as_trained(fit, checkpoint), numbers, compute.device, reporter)
    scorer = Scorer.of(checkpoint, compute.device, compute.record(reporter))
    judged = judge_tiles(labelled, checkpoint.facts, scorer, baselines, reporter)
    return replace(judged, warnings=[*options.folders.warnings(plain, fit), *judged.warnings])
