"""``wsi-haloae mvtec``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.paths import PathArgument


@click.command()
@click.argument("root", required=False, type=PathArgument(exists=True, file_okay=False))
@click.option(
    "--category", "categories", multiple=True, help="A category in ROOT, e.g. screw. Repeat the option for several."
)
@click.option("--all", "everything", is_flag=True, help="Run all categories in ROOT.")
@click.option(
    "--reference-dir",
    type=PathArgument(exists=True, file_okay=False),
    help="Folder of your own defect-free images to train on, instead of ROOT.",
)
@click.option(
    "--test-dir",
    type=PathArgument(exists=True, file_okay=False),
    help="Your own test images, for --reference-dir: a folder 'good', and one folder for each kind of defect.",
)
@click.option(
    "--mask-dir",
    type=PathArgument(exists=True, file_okay=False),
    help="Masks of the defects in your test images, in folders of the same names. Without masks there are no pixel "
    "figures.",
)
@options.output_folder
@options.configuration
@options.features
@options.weights
@click.option(
    "--normalise",
    type=click.Choice(["none", "median"]),
    default="none",
    show_default=True,
    help="median: divide each image by its median grey, in training and test. Use it if brightness alone separates the "
    "images.",
)
@click.option(
    "--baselines",
    is_flag=True,
    help="Also run Mahalanobis, kNN and CFlow-AD (pip install 'wsi-haloae[flow]') on the same features, as baselines "
    "beside PCA.",
)
@options.workers
@options.threads
@options.device
@options.overwrite
@options.talk
def mvtec(
    root: Path | None,
    categories: tuple[str, ...],
    everything: bool,
    reference_dir: Path | None,
    test_dir: Path | None,
    mask_dir: Path | None,
    output: Path,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    features: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Train and test the model on labelled images.

    The images are categories of MVTec AD in ROOT, or your own folders. Trains on
    ROOT/<category>/train/good, scores ROOT/<category>/test, and writes figures, pictures and the
    paper's table to OUTPUT. For an ablation, name its preset after the model's: --config
    haloae-small --config equal-weights.
    """
    from wsi_haloae.config import MVTEC_BASE, load_config
    from wsi_haloae.mvtec.inputs import find_image_sets

    sets = find_image_sets(root, categories, reference_dir, test_dir, mask_dir, everything=everything)
    config = load_config(configs or "haloae", options.with_features(settings, features), base=MVTEC_BASE)

    from wsi_haloae.runs.mvtec import MvtecOptions, run_mvtec

    chosen = options.chosen(MvtecOptions, given)
    arguments = click.get_current_context().params
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    return run_mvtec(sets, output, config, chosen, arguments, reporter)
