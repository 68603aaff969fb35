"""Why block C reconstructs as well as it does: start, rate, schedule, loss, attention, standardisation.

    python pipelines/autoencoder_ablations.py TILES -o ablations/block-c --config haloae-small --mpp 0.5 \
        --group-regex 'c[0-9]+' --set training.steps=100

Each row is trained on the same tiles from the same seed, with the features' loss only, and compared on tiles of other
groups with a PCA that has as many components as the code has channels. Run it again to continue where it stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.autoencoder_rows import AutoEncoderRow, RowOptions, run_autoencoder_rows
from wsi_haloae.images.files import list_images
from wsi_haloae.tiles.sources import ImageFolderSource, group_by_regex

ENCODER, DECODER = (72, 64, 48), (48, 64, 72)
"""Widths of `haloae-small` on both sides of its code."""


def code_of(width: int) -> tuple[str, ...]:
    """Settings of `haloae-small` with a code of ``width`` channels instead of 32."""
    stages = [f"{{mid: {mid}, out: {mid}, heads: 2, kernel: 3}}" for mid in (*ENCODER, width, width, *DECODER)]
    last = "{mid: 104, out: null, heads: 2, kernel: 1}"
    return (
        f"model.autoencoder.encoder=[{', '.join(stages[:4])}]",
        f"model.autoencoder.decoder=[{', '.join([*stages[4:], last])}]",
    )


ROWS = (
    AutoEncoderRow("default"),
    AutoEncoderRow("started at its shortcuts", ("model.autoencoder.start=shortcuts",)),
    AutoEncoderRow("started at random", ("model.autoencoder.start=random",)),
    AutoEncoderRow("shortcuts, faster", ("model.autoencoder.start=shortcuts", "training.learning_rate=0.006")),
    AutoEncoderRow("half the rate", ("training.learning_rate=0.001",)),
    AutoEncoderRow("twice the rate", ("training.learning_rate=0.004",)),
    AutoEncoderRow("constant rate", ("training.schedule=constant",)),
    AutoEncoderRow("200 steps", ("training.steps=200",)),
    AutoEncoderRow("code of 16 channels", code_of(16)),
    AutoEncoderRow("code of 64 channels", code_of(64)),
    AutoEncoderRow("SSIM's constants as released", ("loss.ssim=released",)),
    AutoEncoderRow("without SSIM", ("loss.fm_terms=mse",)),
    AutoEncoderRow("SSIM alone", ("loss.fm_terms=ssim",)),
    AutoEncoderRow("without attention", ("model.block_c=residual_cnn",)),
    AutoEncoderRow("features not standardised", ("model.features.standardise=false",)),
)


@click.command()
@click.argument("tiles", type=PathArgument(exists=True, file_okay=False))
@click.option("--mpp", type=options.PixelSize(), required=True, help="Pixel size of the tiles, in micrometres.")
@click.option(
    "--group-regex",
    required=True,
    help="Regular expression for the part of a file's path that identifies its patient or cluster.",
)
@click.option(
    "--row",
    "names",
    multiple=True,
    type=click.Choice([row.name for row in ROWS]),
    help="Run only this row; may be repeated.",
)
@options.weights
@options.output_folder
@options.configuration
@options.device
def main(
    tiles: Path,
    mpp: float,
    group_regex: str,
    names: tuple[str, ...],
    weights: Path | None,
    output: Path,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
) -> int:
    """Train every row on the reference tiles below TILES, and write a table of residuals."""
    files = list_images(tiles)
    if not files:
        raise UsageError(f"{tiles}: contains no image. Give a folder of tiles.")
    source = ImageFolderSource(tiles, mpp, files, group_by_regex(files, tiles, group_regex))
    chosen = [row for row in ROWS if not names or row.name in names]
    shared = RowOptions(configs or ("haloae",), settings, weights, device)
    return run_autoencoder_rows(source, chosen, output, shared, options.reporter(quiet=False, verbose=False))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "autoencoder_ablations.py"))
