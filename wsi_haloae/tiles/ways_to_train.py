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


def _ways_to_train(slide: Path, options: ReferenceOptions, tissue: TissueConfig) -> str:
    """How to train on a slide: on what is outlined, or on all of it, cut as the ``options`` ask for."""
    words = [str(slide), *_tiling_options(options, tissue), "-o", "tiles"]
    return (
        "To train on tissue outlined on it, name the slide itself, with --annotations FILE --class NAME. To train on "
        f"all of its tissue, run '{command_line(['wsi-haloae', 'tile', *words])}', then name the folder 'tiles'."
    )


def nothing_outlined(slide: Path, options: ReferenceOptions, tissue: TissueConfig) -> UsageError:
    """The error for a slide without annotations."""
    return UsageError(
        f"{slide}: no annotations say what of this slide is to be learned. {_ways_to_train(slide, options, tissue)} "
        "The outlines may also be named in the manifest's column 'annotations'."
    )


def whole_slide(slide: Path, options: ReferenceOptions, tissue: TissueConfig) -> UsageError:
    """The error for a slide among the images of tiles."""
    return UsageError(f"{slide}: this is a whole slide, not a tile. {_ways_to_train(slide, options, tissue)}")


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
