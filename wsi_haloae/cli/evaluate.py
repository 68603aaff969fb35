"""``wsi-haloae evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.cli import options
from wsi_haloae.cli.outlines import outlines
from wsi_haloae.cli.paths import PathArgument


@click.command()
@click.argument("scored", type=PathArgument(exists=True, file_okay=False), metavar="OUT")
@outlines(required=True)
@click.option(
    "--like",
    metavar="SLIDE",
    help="Judge only slides that were scored like this one: same model, rule, pixel size and stride. Use it if slides "
    "in OUT were scored in different ways.",
)
@click.option(
    "-o",
    "--output",
    type=PathArgument(file_okay=False),
    help="Folder for figures, pictures and evaluation.html. Default: OUT/evaluation.",
)
@options.talk
def evaluate(
    scored: Path,
    annotations: Path,
    objects: Objects,
    reference: tuple[str, ...],
    min_coverage: float,
    like: str | None,
    output: Path | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Compare the scored slides in OUT with annotations.

    Measures AUROC and Dice against outlines drawn by people, and whether the p-values hold. Tiles
    outside all outlines do not count, nor do tiles that the model was trained on. Slides that it
    was not trained on are also judged apart. Slides that were scored in different ways are not
    judged together.
    """
    from wsi_haloae.cohort.table import patients
    from wsi_haloae.evaluation.labelled_slide import Outlines
    from wsi_haloae.runs.evaluate import EvaluateOptions
    from wsi_haloae.runs.evaluate import evaluate as run

    reporter = options.reporter(quiet=quiet, verbose=verbose)
    chosen = EvaluateOptions(Outlines(annotations, reference, min_coverage, objects), like, patients(scored))
    return run(scored, output, chosen, reporter)
