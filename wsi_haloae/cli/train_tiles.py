"""``wsi-haloae train-tiles``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument


@click.command("train-tiles")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-o",
    "--output",
    type=PathArgument(dir_okay=False, suffix=SAFETENSORS),
    required=True,
    help="File to write the trained model to, e.g. model.safetensors.",
)
@options.configuration
@options.features
@options.weights
@options.pixel_size
@options.colour_profile("ignore, but tile stores stay as they were cut")
@options.tiling
@click.option(
    "--annotations",
    type=PathArgument(exists=True),
    help="Outlines with classes, to train on slides: a file (QuPath GeoJSON, ASAP or ImageScope XML, DSA JSON), or a "
    "folder with <stem>.geojson, .xml or .json for each slide.",
)
@click.option(
    "--class",
    "class_name",
    help="Class in the annotations to train on, e.g. Tumor. Without a class of this name, those derived from it are "
    "taken (Tumor: Positive).",
)
@options.annotated_objects
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Share of a tile's area that must lie inside the class.",
)
@click.option(
    "--manifest",
    type=PathArgument(exists=True, dir_okay=False),
    help="CSV file that says which patient or slide each file belongs to: columns path, and patient or slide. Optional "
    "columns: site, annotations, and split (train, validation or calibration).",
)
@click.option(
    "--group-regex",
    help="Regular expression for the part of a file's path that names its patient, e.g. 'p[0-9]+'. Use it if "
    "names hold the patient.",
)
@click.option(
    "--balance",
    type=click.Choice(["slide", "patient", "site"]),
    help="Train equally often on each slide, patient or site, however many tiles it has. Patients and sites come from "
    "--manifest.",
)
@click.option(
    "--baselines",
    is_flag=True,
    help="Afterwards, compare the model with other methods on the same features, in baselines.md; with CFlow-AD if pip "
    "install 'wsi-haloae[flow]'.",
)
@click.option(
    "--anomalous-dir",
    type=PathArgument(exists=True, file_okay=False),
    help="Folder of anomalous tiles for that comparison; the model never trains on them. Implies --baselines.",
)
@options.workers
@options.threads
@options.device
@options.overwrite
@options.talk
def train_tiles(
    sources: tuple[str, ...],
    output: Path,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    features: str | None,
    mpp_target: float | None,
    tile_size: int,
    stride: int | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Train a model on reference tiles.

    Reference tiles show what counts as expected: normal tissue, or a tumour to find what is not tumour.

    SOURCE is a tile store or a folder of them (from 'wsi-haloae tile'; a path, or a URL that fsspec
    reads, such as s3://bucket/tiles), a folder of images (with --mpp), or a slide with
    --annotations and --class. An interrupted training continues if the same command is given
    again. On several GPUs: torchrun --nproc-per-node 4 -m wsi_haloae train-tiles ...
    """
    from wsi_haloae.config import SLIDE_BASE, load_config

    config = load_config(configs or "haloae", options.with_features(settings, features), base=SLIDE_BASE)

    from wsi_haloae.tiles.grid import require_stride

    require_stride(stride or tile_size, tile_size)  # before torch is imported, which takes seconds

    from wsi_haloae.runs.train_tiles import TrainOptions
    from wsi_haloae.runs.train_tiles import train_tiles as run
    from wsi_haloae.tiles.reference import ReferenceOptions
    from wsi_haloae.tiles.tiling import TilingSettings

    tiling = TilingSettings(mpp_target, tile_size, stride)
    reference = options.chosen(ReferenceOptions, given, settings=tiling)
    chosen = options.chosen(TrainOptions, given, reference=reference)
    arguments = click.get_current_context().params
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    run(sources, output, config, chosen, arguments, reporter)
    return 0
