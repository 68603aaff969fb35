"""``wsi-haloae compare``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.cli import options
from wsi_haloae.cli.outlines import given_outlines, outlines
from wsi_haloae.cli.paths import PathArgument

FOLDER = PathArgument(exists=True, file_okay=False)


@click.command()
@click.argument("first", type=FOLDER, metavar="OUT1")
@click.argument("second", type=FOLDER, metavar="OUT2")
@options.output_folder
@outlines(required=False)
@options.talk
def compare(
    first: Path,
    second: Path,
    output: Path,
    annotations: Path | None,
    objects: Objects,
    reference: tuple[str, ...],
    min_coverage: float,
    quiet: bool,
    verbose: bool,
) -> int:
    """Compare two models, or two settings, on the same slides.

    OUT1 and OUT2 are folders that 'score -o' wrote, from the same slides with the same tiles. Prints
    the rank correlation of their scores and how many tiles each calls anomalous; draws tiles that
    only one of them calls, if one of them was scored with --keep-tiles; and, with --annotations and
    --reference, measures the difference of their AUROCs. Slides are matched by the names of their
    folders.
    """
    from wsi_haloae.cohort.table import patients
    from wsi_haloae.runs.compare import CompareOptions
    from wsi_haloae.runs.compare import compare as run

    judged_by = given_outlines(annotations, reference, min_coverage, objects)
    chosen = CompareOptions((first, second), judged_by, {**patients(second), **patients(first)})
    compared, code = run(chosen, output, options.reporter(quiet=quiet, verbose=verbose))
    for line in compared.lines():
        options.say(line)
    return code
