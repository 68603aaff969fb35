"""``wsi-haloae evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.cli import options


@click.command()
@click.argument("scored", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="OUT")
@click.option(
    "--annotations",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="QuPath GeoJSON of the slide, or a folder of <stem>.geojson.",
)
@click.option(
    "--reference",
    multiple=True,
    required=True,
    help="Class that is like what the model was trained on, e.g. Tumor. Repeatable; every other class is anomalous.",
)
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Share of a tile's area that a class must cover.",
)
@click.option(
    "--like",
    metavar="SLIDE",
    help="Judge only slides that were scored as this one was: by its model and rule, at its pixel size and stride.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for tables, pictures and evaluation.html. Default: OUT/evaluation.",
)
@options.talk
def evaluate(
    scored: Path,
    annotations: Path,
    reference: tuple[str, ...],
    min_coverage: float,
    like: str | None,
    output: Path | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Judge the scored slides in OUT by outlines with classes: AUROC, Dice, and whether p-values hold.

    Tiles in no outline are not judged. Slides that were scored in different ways are not judged together.
    """
    from wsi_haloae.evaluation.labelled_slide import Outlines
    from wsi_haloae.runs.evaluate import EvaluateOptions
    from wsi_haloae.runs.evaluate import evaluate as run

    reporter = options.reporter(quiet=quiet, verbose=verbose)
    chosen = EvaluateOptions(Outlines(annotations, reference, min_coverage), like)
    return run(scored, output, chosen, reporter)
