"""How many numbers a descriptor needs, and whether its p-values count what they say on new groups.

    python pipelines/descriptor_study.py lung TILES histology/lung -o descriptors
    python pipelines/descriptor_study.py glas TILES histology/glas -o descriptors

TILES is the folder of pipelines/histology.py, and the third argument its output: the models there give the features.
A set takes a few minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.experiments.descriptor_study import markdown_study, study_descriptors
from wsi_haloae.experiments.histology_sets import HISTOLOGY_SETS
from wsi_haloae.model.device import resolve_device


@click.command()
@click.argument("tiles", type=click.Choice(sorted(HISTOLOGY_SETS)))
@click.argument("root", type=PathArgument(exists=True, file_okay=False))
@click.argument("runs", type=PathArgument(exists=True, file_okay=False))
@options.output_folder
@options.device
def main(tiles: str, root: Path, runs: Path, output: Path, device: str) -> int:
    """Study one of the sets of pipelines/histology.py."""
    reporter = options.reporter(quiet=False, verbose=False)
    found = study_descriptors(root, HISTOLOGY_SETS[tiles], runs, output, resolve_device(device), reporter)
    click.echo(markdown_study(HISTOLOGY_SETS[tiles].name, found))
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "descriptor_study.py"))
