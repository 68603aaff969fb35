"""Whether `scoring.rule: auto` chose the auto-encoder where it helps, training by training.

    python pipelines/rule_choices.py histology/glas histology/lung real-slides -o choices

Each folder is the output of pipelines/histology.py or pipelines/real_slides.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.experiments.rule_choices import judged_choices, write_choices


@click.command()
@click.argument("folders", nargs=-1, required=True, type=PathArgument(exists=True, file_okay=False))
@options.output_folder
def main(folders: tuple[Path, ...], output: Path) -> int:
    """Judge the choices of all trainings in FOLDERS by their labelled tiles."""
    choices = [one for folder in folders for one in judged_choices(folder)]
    click.echo(write_choices(output, choices))
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "rule_choices.py"))
