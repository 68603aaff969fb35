"""heatmap.small.jpg: the slide under its heatmap at the size of a stamp, for the index of many slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.atomic import replacing
from wsi_haloae.export.blend import blended
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.colours import ColourScale

NAME = "heatmap.small.jpg"
LONGEST = 200
"""Pixels; some 8 kB as JPEG, so that an index of 1,000 slides still opens."""
QUALITY = 82


def write_small_picture(
    path: Path, tiles: ScoredTiles, heatmap: Heatmap, scale: ColourScale, thumbnail: NDArray[np.uint8]
) -> None:
    """Write the thumbnail (h, w, 3) of the whole slide under its heatmap, without words."""
    slide = tiles.header.slide
    factor = LONGEST / max(slide.width, slide.height)
    width, height = (max(1, round(side * factor)) for side in (slide.width, slide.height))
    base = np.asarray(Image.fromarray(thumbnail).resize((2 * width, 2 * height), Image.Resampling.LANCZOS))
    # Cells are laid on at twice the size: those smaller than a pixel are mixed, not dropped.
    picture = Image.fromarray(blended(base, tiles, heatmap, scale)).reduce(2)
    with replacing(path) as partial:
        picture.save(partial, format="JPEG", quality=QUALITY, subsampling=0)
