"""The next patient's slide: models of one patient's liver, judged on other patients, with and without adaptation.

    python pipelines/real_slides.py --data ../shared/data --weights ../shared/weights/vgg19_features.safetensors \
        --densenet ../shared/weights/densenet121_features.safetensors -o real-slides

An interrupted run continues where it stopped. 2 cores take about an hour and a half.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument
from wsi_haloae.experiments.real_slides import Features, RealSlidesOptions, measure_real_slides

DENSENET = (
    "model.features.backbone=densenet121",
    "model.features.layers=[denseblock1, denseblock2, denseblock3]",
)


@click.command()
@click.option(
    "--data",
    type=PathArgument(exists=True, file_okay=False),
    required=True,
    help="Folder with wsi/liver-*.tiff, their outlines, and tiles/liver_c.",
)
@click.option(
    "--weights",
    type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS),
    required=True,
    help="Weights of the configuration's own features.",
)
@click.option(
    "--densenet",
    type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS),
    help="Weights of DenseNet-121, for a second column.",
)
@click.option("--config", "configs", multiple=True, default=("haloae-small",), show_default=True)
@click.option("--set", "settings", multiple=True, default=("training.steps=150",), show_default=True)
@options.output_folder
@options.workers
@options.device
def main(
    data: Path,
    weights: Path,
    densenet: Path | None,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    output: Path,
    num_workers: int,
    device: str,
) -> int:
    """Train, score and judge; the tables go to OUTPUT/real-slides.md and real-slides.json."""
    features = [Features("vgg19", (), weights)]
    if densenet is not None:
        features.append(Features("densenet121", DENSENET, densenet))
    chosen = RealSlidesOptions(data, configs, settings, tuple(features), device, num_workers)
    click.echo(measure_real_slides(output, chosen, options.reporter(quiet=False, verbose=False)).markdown())
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "real_slides.py"))
