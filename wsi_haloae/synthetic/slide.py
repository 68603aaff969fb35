"""Write a synthetic slide, a pyramidal TIFF of any size, and its truth. Level 0 is made tile by tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from shapely.geometry import MultiPolygon

from wsi_haloae.synthetic.layout import SyntheticLayout, make_layout
from wsi_haloae.synthetic.pyramid import JPEG, Pixels, Progress, write_pyramid
from wsi_haloae.synthetic.render import SyntheticRenderer
from wsi_haloae.synthetic.truth import SyntheticTruth


def write_synthetic_slide(
    path: Path,
    *,
    width: int,
    height: int,
    seed: int,
    mpp: float = 0.5,
    tile: int = 256,
    progress: Progress | None = None,
) -> SyntheticTruth:
    """Write the slide and return the truth: what is where on it.

    Sides are in pixels, at least 512; ``mpp`` is micrometres per pixel; ``tile`` is the side of the
    TIFF's tiles, a multiple of 16 up to 512. The same arguments give the same bytes.
    ``progress`` is called with (rows of tiles written, total rows) of level 0. The file appears
    under its name only when it is complete.
    """
    assert min(width, height) >= 512 and tile % 16 == 0 and 16 <= tile <= 512
    rng = np.random.default_rng([seed, width, height])
    layout = make_layout(rng, width, height, mpp)
    renderer = SyntheticRenderer(layout, rng)
    columns = -(-width // tile)
    write_pyramid(
        path,
        lambda row: _row_of_tiles(renderer, row, columns, tile),
        width=width,
        height=height,
        mpp=mpp,
        tile=tile,
        compression=JPEG,
        progress=progress,
    )
    return SyntheticTruth(seed, width, height, _classes(layout))


def _classes(layout: SyntheticLayout) -> dict[str, MultiPolygon]:
    return {"Tumor": layout.tumour, "Stroma": layout.stroma, "Pen": layout.pen, "Blur": layout.blur}


def _row_of_tiles(renderer: SyntheticRenderer, row: int, columns: int, tile: int) -> list[Pixels]:
    """Tiles of level 0, full-sized also at the edges."""
    labels = renderer.labels(0, row * tile, columns * tile, tile)
    inside = np.split(labels, columns, axis=1)
    return [renderer.pixels(column * tile, row * tile, inside[column]) for column in range(columns)]
