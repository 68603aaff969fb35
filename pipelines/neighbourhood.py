"""What --smooth adds on a scored slide with outlines, and at which size a lesion is lost.

    python pipelines/neighbourhood.py results/liver-sarcoma --annotations liver-sarcoma.geojson \
        --usual Liver --lesion Tumor -o neighbourhood
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.experiments.neighbourhood import Outlined, markdown_rows, measure_neighbourhood


@click.command()
@click.argument("scored", type=PathArgument(exists=True, file_okay=False), metavar="OUT/SLIDE")
@click.option(
    "--annotations", type=PathArgument(exists=True, dir_okay=False), required=True,
    help="GeoJSON with the outlines of both classes.",
)  # fmt: skip
@click.option("--usual", required=True, metavar="CLASS", help="Tissue like the reference; lesions are planted in it.")
@click.option("--lesion", required=True, metavar="CLASS", help="Tissue that should be called.")
@options.output_folder
def main(scored: Path, annotations: Path, usual: str, lesion: str, output: Path) -> int:
    """Judge a scored slide at several radii; the tables go to OUTPUT/neighbourhood.md and neighbourhood.json."""
    rows = measure_neighbourhood(Outlined.read(scored, annotations, usual, lesion), output)
    click.echo(markdown_rows(rows))
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "neighbourhood.py"))
