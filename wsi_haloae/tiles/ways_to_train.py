"""What to do with a slide that is named for training, but says nothing of what on it is to be learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.quoting import command_line
from wsi_haloae.tiles.tiling import TILE_SIZE

if TYPE_CHECKING:
    from wsi_haloae.tiles.reference import ReferenceOptions


def _ways_to_train(slide: Path, options: ReferenceOptions, tissue: TissueConfig, outlined: str) -> str:
    """How to train on a slide: on what is ``outlined``, or on all of it, cut as the ``options`` ask for."""
    words = [str(slide), *_tiling_options(options, tissue), "-o", "tiles"]
    tile = command_line(["wsi-haloae", "tile", *words])
    return (
        f"To train on tissue outlined on it, {outlined}. To train on all of its tissue, run '{tile}', then name the "
        "folder 'tiles'."
    )


def nothing_outlined(slide: Path, options: ReferenceOptions, tissue: TissueConfig) -> UsageError:
    """The error for a slide without annotations."""
    class_name = "" if options.class_name else " --class NAME"
    outlined = f"add --annotations FILE{class_name} (FILE may also be a folder with one for each slide)"
    ways = _ways_to_train(slide, options, tissue, outlined)
    return UsageError(
        f"{slide}: no annotations say what of this slide is to be learned. {ways} "
        "The outlines may also be named in the manifest's column 'annotations'."
    )


def whole_slide(slide: Path, options: ReferenceOptions, tissue: TissueConfig) -> UsageError:
    """The error for a slide among the images of tiles."""
    ways = _ways_to_train(
        slide, options, tissue, "name the slide in place of its folder, with --annotations FILE --class NAME"
    )
    return UsageError(f"{slide}: this is a whole slide, not a tile. {ways}")


def _tiling_options(options: ReferenceOptions, tissue: TissueConfig) -> Iterator[str]:
    """Those of the given options that ``wsi-haloae tile`` takes, and that decide what the tiles are."""
    settings, usual = options.settings, TissueConfig().model_dump()
    given = {
        "--mpp": options.mpp,
        "--override-mpp": options.override_mpp,
        "--colour-profile": options.colour_profile,
        "--mpp-target": settings.mpp_target,
        "--tile-size": None if settings.tile_size == TILE_SIZE else settings.tile_size,
        "--stride": settings.stride,
    }
    for option, value in given.items():
        if value is not None:
            yield from (option, str(value))
    for key, value in tissue.model_dump().items():
        if value != usual[key]:
            yield from ("--set", f"tissue.{key}={value}")
