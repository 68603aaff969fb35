"""tiles.geojson: every tile as an object that QuPath 0.4 to 0.7 imports, coloured by its score.

Three choices:

- Scored tiles have a colour but no classification. QuPath does not need one: its measurement maps colour the
  tiles. A class would imply a threshold that nobody has set.
- Tiles without a score are included with the class "Unreadable" or "Pending", so that each gap in
  the map is explained.
- Coordinates are level-0 pixels minus the origin of the slide's bounds, because QuPath crops to
  the bounds. Tiles are clipped to the bounds, and tiles outside them are dropped.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.export.feature_collection import dsa_style, finite, write_features
from wsi_haloae.export.identity import slide_namespace
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.stores.scored_tiles import STATE_WORDS, ScoredTiles
from wsi_haloae.stores.sharded import TileIndex, TileState
from wsi_haloae.stores.store_header import SlideRecord

SCORE_MEASUREMENT = "Anomaly score"
TISSUE_MEASUREMENT = "Tissue fraction"
P_VALUE_MEASUREMENT = "p-value"

_STATE_COLOURS = {TileState.PENDING: [200, 200, 200], TileState.UNREADABLE: [128, 128, 128]}


def write_tile_geojson(path: Path, tiles: ScoredTiles, min_score: float | None = None) -> None:
    """Write all tiles except those with a score below ``min_score``. Gzipped if the name ends with ``.gz``."""
    write_features(path, tile_features(tiles, ~below(tiles, min_score)))


def below(tiles: ScoredTiles, min_score: float | None) -> NDArray[np.bool_]:
    """Which tiles (n,) have a score below ``min_score``; False for tiles without a score."""
    return np.zeros(len(tiles), np.bool_) if min_score is None else tiles.score < min_score


def qupath_rectangles(index: TileIndex, slide: SlideRecord) -> NDArray[np.int64]:
    """Tiles in QuPath's pixels, (n, 4): left, top, right, bottom.

    A tile outside the bounds has no area: right <= left or bottom <= top.
    """
    corners: NDArray[np.int64] = np.concatenate([index.location, index.location + index.size], axis=1)
    if slide.bounds is None:
        return corners
    x, y, width, height = slide.bounds
    corners -= np.array([x, y, x, y])
    corners[:, :2] = np.maximum(corners[:, :2], 0)
    corners[:, 2:] = np.minimum(corners[:, 2:], [width, height])
    return corners


def tile_features(tiles: ScoredTiles, wanted: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """One feature for each of the ``wanted`` tiles (n,) that lies inside the slide's bounds."""
    index, namespace = tiles.index, slide_namespace(tiles.header)
    colours = ColourScale(*tiles.header.model.display_range).rgba(tiles.score)[:, :3]
    columns = zip(
        qupath_rectangles(index, tiles.header.slide).tolist(),
        index.row.tolist(),
        index.column.tolist(),
        index.tissue_fraction.tolist(),
        tiles.score.tolist(),
        tiles.p_value.tolist(),
        tiles.state.tolist(),
        colours.tolist(),
        wanted.tolist(),
        strict=True,
    )
    for (left, top, right, bottom), row, column, tissue, score, p_value, state, colour, is_wanted in columns:
        if right <= left or bottom <= top or not is_wanted:
            continue
        ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(namespace, f"tile {row} {column}")),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "tile",
                "name": f"tile {row}_{column}",
                "isLocked": True,
                **(scored_colour(colour, score) if state == TileState.DONE else _classification(TileState(state))),
                "measurements": finite(
                    {SCORE_MEASUREMENT: score, P_VALUE_MEASUREMENT: p_value, TISSUE_MEASUREMENT: tissue}
                ),
            },
        }


def scored_colour(colour: list[int], score: float) -> dict[str, Any]:
    """The colour of a score (r, g, b) in the words of QuPath and of Digital Slide Archive; nothing for NaN."""
    return {"color": colour, **dsa_style(colour, f"{score:.3g}")} if math.isfinite(score) else {}


def _classification(state: TileState) -> dict[str, Any]:
    name, colour = STATE_WORDS[state].capitalize(), _STATE_COLOURS[state]
    return {"classification": {"name": name, "color": colour}, **dsa_style(colour, name)}
