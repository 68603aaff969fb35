"""``wsi-haloae evaluate-tiles``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument

FOLDER = PathArgument(exists=True, file_okay=False)


@click.command("evaluate-tiles")
@click.argument("model", type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS))
@click.option(
    "--reference-dir",
    type=FOLDER,
    required=True,
    help="Folder of reference tiles that the model was not trained on: images of the model's tile size and pixel size.",
)
@click.option(
    "--anomalous-dir",
    "anomalous_dirs",
    type=FOLDER,
    multiple=True,
    required=True,
    help="Folder of anomalous tiles; its name is the name of their class. Repeat the option for several classes.",
)
@click.option(
    "--fit-dir",
    type=FOLDER,
    help="Folder of other reference tiles, e.g. those of the training. Baselines are fitted on them: nearest "
    "neighbours, PCA, CFlow-AD (pip install 'wsi-haloae[flow]'), colour statistics. Without it, only pooled "
    "Mahalanobis is compared.",
)
@click.option(
    "--group-regex",
    help="Regular expression for the part of a file's path, below its folder, that names its patient, e.g. 'p[0-9]+'. "
    "Intervals are over patients. Default: each image is a group of its own.",
)
@click.option(
    "-o",
    "--output",
    type=PathArgument(file_okay=False),
    help="Folder for tables, pictures and evaluation.html. Default: <name of MODEL>.evaluation, beside MODEL.",
)
@options.threads
@options.device
@options.talk
def evaluate_tiles(
    model: Path,
    reference_dir: Path,
    anomalous_dirs: tuple[Path, ...],
    fit_dir: Path | None,
    group_regex: str | None,
    output: Path | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Judge a trained MODEL on folders of labelled tiles.

    Measures AUROC and average precision of every scoring rule, for each anomalous class and for all
    together, beside baselines on the same features; whether the p-values hold; and the rates of
    false calls and false discoveries. Intervals are over patients.

    For scored slides with outlines, use 'wsi-haloae evaluate'.
    """
    from wsi_haloae.evaluation.labelled_source import TileFolders
    from wsi_haloae.runs.evaluate_tiles import EvaluateTilesOptions
    from wsi_haloae.runs.evaluate_tiles import evaluate_tiles as run

    folders = TileFolders(reference_dir, anomalous_dirs, fit_dir, group_regex)
    chosen = options.chosen(EvaluateTilesOptions, given, folders=folders)
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    return run(model, output, chosen, reporter)
