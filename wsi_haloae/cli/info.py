"""``wsi-haloae info``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wsi_haloae.cli import options
from wsi_haloae.quoting import printable


@click.command()
@click.argument("slide", type=click.Path(path_type=Path))
@options.pixel_size
@options.tiling
@options.tissue
@click.option(
    "--preview",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Also draw the slide with its tissue outlined, what was left out in colours, and the tiles.",
)
def info(
    slide: Path,
    mpp: float | None,
    override_mpp: float | None,
    mpp_target: float | None,
    tile_size: int,
    stride: int | None,
    tissue: Path | Literal["auto", "all"],
    pen: str | None,
    settings: tuple[str, ...],
    preview: Path | None,
) -> None:
    """Print facts about SLIDE, and how it would be tiled.

    The facts are size, pixel size, levels, share of tissue, and what was left out.
    """
    from wsi_haloae.config import TissueConfig, changed_tissue
    from wsi_haloae.errors import UsageError
    from wsi_haloae.runs.info import describe_slide
    from wsi_haloae.tiles.tiling import TilingSettings
    from wsi_haloae.workspace.slide_inputs import find_slides

    reporter = options.reporter(quiet=False, verbose=False)
    found_by = changed_tissue(TissueConfig(), options.tissue_settings(settings, pen))
    found = find_slides([str(slide)], mpp=mpp, override_mpp=override_mpp, name_by="stem", reporter=reporter)
    if len(found) != 1:
        raise UsageError(f"{slide}: {len(found)} slides found, but info describes one slide. Name one file.")
    tiling = TilingSettings(mpp_target, tile_size, stride)
    for fact, value in describe_slide(found[0], tiling, found_by, tissue, preview, reporter):
        options.say(f"{fact:<18}{printable(value)}")
