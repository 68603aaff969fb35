"""``wsi-haloae demo``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.cli import options


@click.command()
@options.output_folder
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the synthetic slides; another seed draws other slides.",
)
@options.device
@options.talk
def demo(output: Path, seed: int, device: str, quiet: bool, verbose: bool) -> int:
    """Try everything on two synthetic slides.

    Trains on one, scores the other, and compares with the known truth. Needs no data and no network.
    """
    from wsi_haloae.runs.demo import run_demo

    options.say(run_demo(output, seed, device, options.reporter(quiet=quiet, verbose=verbose)))
    return 0
