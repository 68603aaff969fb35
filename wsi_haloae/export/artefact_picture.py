"""artefacts.png: the tiles with quality-control flags. Anomaly scores are not shown in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from wsi_haloae.artefacts.flags import FLAGS, frame_inset
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.figures.slide_frame import SlideFigure, enlarged_or_reduced
from wsi_haloae.stores.scored_tiles import ScoredTiles


def write_artefact_picture(path: Path, source: OpenStore) -> None:
    """Draw the flagged tiles over the thumbnail. A tile with several flags has one nested frame for each."""
    slide, tiles = source.header.slide, source.tiles
    flagged, counts = int((tiles.flags > 0).sum()), tiles.flag_counts()
    caption = f"quality-control flags: {flagged:,} of {len(tiles):,} tiles have one; flagged tiles are scored too"
    legend = [(f"□ {flag.words}: {counts[name]:,}", flag.colour) for name, flag in FLAGS.items()]
    picture = SlideFigure(enlarged_or_reduced(source.thumbnail, slide), slide, caption=caption, legend=legend)
    for place, flag in enumerate(FLAGS.values()):
        _draw(picture, tiles, (tiles.flags & flag.bit) > 0, flag.colour, frame_inset(place))
    picture.save(path)


def _draw(picture: SlideFigure, tiles: ScoredTiles, chosen: NDArray[np.bool_], colour: str, inset: float) -> None:
    size = tiles.index.size[chosen]
    left, top = (tiles.index.location[chosen] + size * inset).T
    right, bottom = (tiles.index.location[chosen] + size * (1 - inset)).T
    corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=1).reshape(-1, 4, 2)
    picture.axes.add_collection(
        PolyCollection(list(corners), facecolors="none", edgecolors=colour, linewidths=1.0), autolim=False
    )
