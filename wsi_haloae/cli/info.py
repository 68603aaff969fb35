"""``wsi-haloae info``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.quoting import printable


@click.command()
@click.argument("slide", type=click.Path(path_type=Path))
@options.pixel_size
@options.tiling
def info(
    slide: Path,
    mpp: float | None,
    override_mpp: float | None,
    mpp_target: float | None,
    tile_size: int,
    stride: int | None,
) -> None:
    """Print facts about SLIDE, and how it would be tiled.

    The facts are size, pixel size, levels and share of tissue.
    """
    from wsi_haloae.config import TissueConfig
    from wsi_haloae.errors import UsageError
    from wsi_haloae.runs.info import describe_slide
    from wsi_haloae.tiles.tiling import TilingSettings
    from wsi_haloae.workspace.slide_inputs import find_slides

    reporter = options.reporter(quiet=False, verbose=False)
    found = find_slides([str(slide)], mpp=mpp, override_mpp=override_mpp, name_by="stem", reporter=reporter)
    if len(found) != 1:
        raise UsageError(f"{slide}: {len(found)} slides found, but info describes one slide. Name one file.")
    source = found[0]
    for fact, value in describe_slide(source, TilingSettings(mpp_target, tile_size, stride), TissueConfig()):
        options.say(f"{fact:<18}{printable(value)}")
