"""HaloAE by every scoring rule, baselines on its features and plain statistics, on labelled histology tiles.

    python pipelines/histology.py glas TILES -o histology/glas --config haloae-small --seeds 3
    python pipelines/histology.py lung TILES -o histology/lung --config haloae-small --seeds 3

TILES contains glas_colon/ and lc25000_lung/. There are three colourings: unchanged, colour-matched and grey-matched.
Run it again to continue where it stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.experiments.histology import HistologyOptions, run_histology
from wsi_haloae.experiments.histology_sets import HISTOLOGY_SETS


@click.command()
@click.argument("tiles", type=click.Choice(sorted(HISTOLOGY_SETS)))
@click.argument("root", type=PathArgument(exists=True, file_okay=False))
@click.option("--seeds", default=3, show_default=True, help="Number of trainings per colouring, with different seeds.")
@options.weights
@options.output_folder
@options.configuration
@options.workers
@options.device
def main(
    tiles: str,
    root: Path,
    seeds: int,
    weights: Path | None,
    output: Path,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    num_workers: int,
    device: str,
) -> int:
    """Train on one of the sets below ROOT, and compare all methods on its test tiles."""
    config = load_config(configs or ("haloae",), settings, base=SLIDE_BASE)
    chosen = HistologyOptions(weights=weights, device=device, workers=num_workers)
    reporter = options.reporter(quiet=False, verbose=False)
    return run_histology(root, HISTOLOGY_SETS[tiles], output, config, range(seeds), chosen, reporter)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "histology.py"))
