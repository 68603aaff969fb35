"""heatmap.small.jpg: a small picture of the slide and its heatmap, for the index of many slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wsi_haloae.atomic import replacing
from wsi_haloae.export.blend import blended
from wsi_haloae.export.open_store import OpenStore

LONGEST = 200
"""Pixels of the longer side. About 8 kB as JPEG, so that an index of 1,000 slides still opens."""
QUALITY = 82


def write_small_picture(path: Path, source: OpenStore) -> None:
    """Write the thumbnail of the whole slide with its heatmap, without any text."""
    slide = source.header.slide
    factor = LONGEST / max(slide.width, slide.height)
    width, height = (max(1, round(side * factor)) for side in (slide.width, slide.height))
    base = np.asarray(Image.fromarray(source.thumbnail).resize((2 * width, 2 * height), Image.Resampling.LANCZOS))
    # Cells are drawn at twice the size, so that cells smaller than a pixel are averaged, not dropped.
    picture = Image.fromarray(blended(base, source.tiles, source.heatmap, source.scale)).reduce(2)
    with replacing(path) as partial:
        picture.save(partial, format="JPEG", quality=QUALITY, subsampling=0)
