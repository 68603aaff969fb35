"""``wsi-haloae tile``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wsi_haloae.cli import options


@click.command()
@options.slides
@options.output_folder
@options.pixel_size
@options.colour_profile("ignore")
@options.tiling
@options.coordinates
@options.tissue
@options.workers
@options.overwrite
@options.dry_run
@options.talk
def tile(
    slides: tuple[str, ...],
    name_by: Literal["stem", "parent"],
    recursive: bool,
    output: Path,
    mpp: float | None,
    override_mpp: float | None,
    colour_profile: Literal["apply", "ignore"] | None,
    mpp_target: float | None,
    tile_size: int,
    stride: int | None,
    coordinates: Path | None,
    tissue: Path | Literal["auto", "all"],
    pen: str | None,
    settings: tuple[str, ...],
    num_workers: int,
    overwrite: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Cut the tissue of each SLIDE into tiles.

    They are stored in OUTPUT/<name>/tiles.zarr, to train on; 'score' does not need them.
    SLIDE is a file, a folder, a glob, or a CSV manifest with a column 'path'.
    """
    from wsi_haloae.config import TissueConfig, changed_tissue
    from wsi_haloae.runs.tile import TileOptions, tile_slides
    from wsi_haloae.tiles.tiling import TilingSettings
    from wsi_haloae.workspace.slide_inputs import find_slides

    arguments = click.get_current_context().params
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    found = find_slides(
        slides,
        mpp=mpp,
        override_mpp=override_mpp,
        name_by=name_by,
        recursive=recursive,
        colour_profile=colour_profile or "ignore",
        reporter=reporter,
    )
    tiling = TilingSettings(mpp_target, tile_size, stride)
    found_by = changed_tissue(TissueConfig(), options.tissue_settings(settings, pen))
    chosen = TileOptions(tiling, found_by, num_workers, overwrite, coordinates, tissue)
    if dry_run:
        from wsi_haloae.runs.forecast import forecast
        from wsi_haloae.runs.tile_forecast import TileStudy

        return options.say_forecast(forecast(found, output, TileStudy(chosen, reporter), reporter), output)
    return tile_slides(found, output, chosen, arguments, reporter).exit_code
