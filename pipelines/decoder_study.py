"""What the decoder adds: ingredients one by one against rivals on the same features (docs/decoder-plan.md).

    python pipelines/decoder_study.py ../shared/data -o decoder --weights vgg19 vgg19_features.safetensors
    python pipelines/decoder_study.py ../shared/data -o decoder --weights vgg19 vgg19_features.safetensors \
        --set-name metal_nut --row baseline --row 'noise on the code' --seed 0

DATA contains mvtec/, tiles/ and wsi/. Features are computed once and kept in --cache, 1.4 MB a tile. Run it again to
continue where it stopped; all rows that are done are in table.md, table.json and differences.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.experiments.decoder.rows import LIMITS, ROWS
from wsi_haloae.experiments.decoder.sets import SETS
from wsi_haloae.experiments.decoder.study import SEEDS, Study, StudyOptions


@click.command()
@click.argument("data", type=PathArgument(exists=True, file_okay=False))
@click.option(
    "--set-name", "sets", multiple=True, type=click.Choice(list(SETS)), help="Only this set; may be repeated."
)
@click.option(
    "--row",
    "names",
    multiple=True,
    type=click.Choice([row.name for row in (*ROWS, *LIMITS)]),
    help="Only this row; may be repeated. Rows named 'damped, ...' are run only when they are named.",
)
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(min=0), help="Only this seed; may be repeated.")
@click.option("--backbone", "backbones", multiple=True, default=("vgg19",), show_default=True, help="May be repeated.")
@click.option(
    "--weights",
    multiple=True,
    type=(str, PathArgument(exists=True, dir_okay=False)),
    metavar="BACKBONE FILE",
    help="Weights of a backbone; without them the published ones are downloaded. May be repeated.",
)
@click.option("--steps", type=click.IntRange(min=1), default=250, show_default=True, help="Steps of a row.")
@click.option("--cache", type=PathArgument(file_okay=False), help="Folder of the features; default: OUTPUT/cache.")
@click.option("--features-only", is_flag=True, help="Compute the features that all rows need, and train nothing.")
@options.output_folder
@options.configuration
@options.device
def main(
    data: Path,
    sets: tuple[str, ...],
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    backbones: tuple[str, ...],
    weights: tuple[tuple[str, Path], ...],
    steps: int,
    cache: Path | None,
    features_only: bool,
    output: Path,
    configs: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
) -> int:
    """Train and judge every row on every set below DATA with every seed, and write the tables."""
    shared = StudyOptions(
        data,
        output,
        cache or output / "cache",
        configs or ("haloae-small",),
        settings,
        dict(weights),
        steps,
        device,
    )
    study = Study(shared, options.reporter(quiet=False, verbose=False))
    if features_only:
        study.prepare(backbones, sets or list(SETS))
        return 0
    rows = [row for row in (*ROWS, *LIMITS) if row.name in names] if names else list(ROWS)
    return study.run_all(backbones, sets or list(SETS), rows, seeds or range(SEEDS))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "decoder_study.py"))
