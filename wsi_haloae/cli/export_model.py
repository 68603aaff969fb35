"""``wsi-haloae export-model``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument


@click.command()
@click.argument("model", type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS))
@click.option(
    "--format",
    "form",
    type=click.Choice(["wsinfer"]),
    required=True,
    help="wsinfer: TorchScript and config.json, for WSInfer and its extension of QuPath.",
)
@options.output_folder
@options.talk
def export_model(model: Path, form: Literal["wsinfer"], output: Path, quiet: bool, verbose: bool) -> None:  # noqa: ARG001  # one form so far
    """Write a trained MODEL for another program.

    It then scores tiles without this one. The scores in it are those before adaptation to the slide.
    README.md in the folder says what its numbers mean.
    """
    from wsi_haloae.runs.export_model import export_model as run

    run(model, output, options.reporter(quiet=quiet, verbose=verbose))
