r"""A slide made from real tiles, with known truth, to evaluate slide-level results on real texture.

    python pipelines/mosaic_slide.py --reference Tumor=tiles/malignant --anomalous Normal=tiles/benign \
        --mpp 0.62 --rows 40 --columns 50 --group-regex 'p[0-9]+' -o mosaic.tif
    wsi-haloae score mosaic.tif --model model.safetensors -o results/

Two more files are written beside mosaic.tif: mosaic.truth.geojson (regions by class, for QuPath) and mosaic.tiles.csv
(each tile's file, position, orientation and group). To evaluate a model, use tiles that it was not trained on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.experiments.mosaic import COMPRESSIONS, MosaicSources, make_mosaic
from wsi_haloae.synthetic.mosaic import MosaicSettings


@click.command()
@click.option(
    "--reference", multiple=True, required=True, metavar="[CLASS=]FOLDER",
    help="Folder of reference tiles. The class is the folder's name unless given. May be repeated.",
)  # fmt: skip
@click.option(
    "--anomalous",
    multiple=True,
    metavar="[CLASS=]FOLDER",
    help="Folder of tiles of an anomalous class. May be repeated.",
)
@click.option("--mpp", type=options.PixelSize(), required=True, help="Pixel size of the tiles, in micrometres.")
@click.option("--rows", type=click.IntRange(1), required=True, help="Height of the slide in tiles.")
@click.option("--columns", type=click.IntRange(1), required=True, help="Width of the slide in tiles.")
@click.option(
    "-o",
    "--output",
    type=PathArgument(dir_okay=False),
    required=True,
    help="Slide to write, e.g. mosaic.tif.",
)
@click.option(
    "--share", type=click.FloatRange(0, 1, max_open=True), default=0.1, show_default=True,
    help="Share of anomalous tiles in the tissue.",
)  # fmt: skip
@click.option(
    "--regions", type=click.IntRange(1), default=4, show_default=True,
    help="Number of anomalous regions, each about half as large as the one before.",
)  # fmt: skip
@click.option(
    "--margin", type=click.IntRange(1), default=2, show_default=True, help="Width of the glass at each edge, in tiles."
)
@click.option(
    "--offset", type=click.IntRange(0), default=0, show_default=True,
    help="Shift of the tiles against the scorer's grid, in pixels, so that scored tiles mix neighbouring tiles.",
)  # fmt: skip
@click.option(
    "--max-uses", type=click.IntRange(1), default=8, show_default=True,
    help="How often a file may be used; up to 8 times, it is turned or flipped differently each time.",
)  # fmt: skip
@click.option(
    "--group-regex",
    help="Regular expression for the part of a file's path that identifies its patient, e.g. 'p[0-9]+'.",
)
@click.option(
    "--compression", type=click.Choice(sorted(COMPRESSIONS)), default="lossless", show_default=True,
    help="JPEG takes a third of the space, but changes the texture of the tiles that a model sees.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random layout.")
@options.overwrite
@options.talk
def main(
    reference: tuple[str, ...],
    anomalous: tuple[str, ...],
    mpp: float,
    rows: int,
    columns: int,
    output: Path,
    share: float,
    regions: int,
    margin: int,
    offset: int,
    max_uses: int,
    group_regex: str | None,
    compression: str,
    seed: int,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Lay out tiles as a slide: tissue of reference tiles with compact anomalous regions, on glass."""
    settings = MosaicSettings(mpp, rows, columns, seed, share, regions, margin, offset, max_uses)
    sources = MosaicSources(reference, anomalous, group_regex)
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    click.echo(make_mosaic(sources, output, settings, compression, reporter, overwrite=overwrite))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "mosaic_slide.py"))
