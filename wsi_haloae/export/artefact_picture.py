"""artefacts.png: tiles that are out of focus, inked, folded or mostly glass, apart from what is anomalous."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from wsi_haloae.artefacts.colours import ARTEFACT_COLOURS
from wsi_haloae.artefacts.flags import words
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.figures.slide_frame import SlideFigure, enlarged_or_reduced, font

LEGEND_STEP = 190
"""Pixels between entries; each is a square, words and a count."""


def write_artefact_picture(path: Path, tiles: ScoredTiles, thumbnail: NDArray[np.uint8]) -> None:
    """Draw the flagged tiles over the thumbnail (h, w, 3); one with several flags has a frame of each, nested."""
    slide = tiles.header.slide
    flagged = int((tiles.flags > 0).sum())
    caption = f"artefacts: {flagged:,} of {len(tiles):,} tiles are flagged; they are scored all the same"
    picture = SlideFigure(enlarged_or_reduced(thumbnail, slide), slide, caption=caption)
    counts = tiles.flag_counts()
    for place, (flag, colour) in enumerate(ARTEFACT_COLOURS.items()):
        chosen = (tiles.flags & flag) > 0
        _draw(picture, tiles, chosen, colour, inset=place / 12)
        label = f"□ {words(flag).replace('_', ' ')}: {counts[words(flag)]:,}"
        picture.text(300 + place * LEGEND_STEP, picture.legend_y, label, font(9), colour=colour)
    picture.save(path)


def _draw(picture: SlideFigure, tiles: ScoredTiles, chosen: NDArray[np.bool_], colour: str, inset: float) -> None:
    size = tiles.index.size[chosen]
    left, top = (tiles.index.location[chosen] + size * inset).T
    right, bottom = (tiles.index.location[chosen] + size * (1 - inset)).T
    corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1).reshape(-1, 4, 2)
    picture.axes.add_collection(
        PolyCollection(list(corners), facecolors="none", edgecolors=colour, linewidths=1.0), autolim=False
    )
