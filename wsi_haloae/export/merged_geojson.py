"""tiles.geojson with neighbouring tiles of equal colour merged, for slides with more tiles than QuPath reads quickly.

A merged object stores the mean score of its tiles under the same measurement name as a tile, so that measurement
maps colour it in the same way. Tiles without a score are not merged, and their class says why they have none.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from wsi_haloae.export.feature_collection import PACKED, finite, polygon_geometry, write_features
from wsi_haloae.export.geojson import (
    SCORE_MEASUREMENT,
    TISSUE_MEASUREMENT,
    below,
    scored_colour,
    tile_features,
    write_tile_geojson,
)
from wsi_haloae.export.identity import slide_namespace
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.cells import CellEdges
from wsi_haloae.heatmap.colours import ColourScale
from wsi_haloae.heatmap.merging import MergedCells, merge_equal
from wsi_haloae.stores.scored_tiles import ScoredTiles

COUNT_MEASUREMENT = "Merged tiles"


def write_tiles(path: Path, source: OpenStore) -> None:
    """Write the tiles by the settings: single or merged, all or those above a score, plain or gzipped."""
    settings = source.settings
    if settings.gz:
        path = path.with_name(path.name + PACKED)
    if settings.merge:
        write_merged_geojson(path, source.tiles, source.heatmap, source.scale, settings.min_score)
    else:
        write_tile_geojson(path, source.tiles, settings.min_score)


def write_merged_geojson(
    path: Path, tiles: ScoredTiles, heatmap: Heatmap, scale: ColourScale, min_score: float | None = None
) -> None:
    """Write all tiles except those with a score below ``min_score``. Gzipped if the name ends with ``.gz``."""
    wanted = np.isfinite(heatmap.values)
    if min_score is not None:
        wanted &= heatmap.values >= min_score
    merged = merge_equal(heatmap, wanted, CellEdges.of(heatmap, tiles.header.slide), scale)
    single = tile_features(tiles, ~np.isfinite(tiles.score) & ~below(tiles, min_score))
    write_features(path, chain(_features(tiles, heatmap, merged, scale), single))


def _features(
    tiles: ScoredTiles, heatmap: Heatmap, merged: list[MergedCells], scale: ColourScale
) -> Iterator[dict[str, Any]]:
    left, top = (tiles.header.slide.bounds or (0, 0))[:2]
    namespace = slide_namespace(tiles.header)
    tissue = np.zeros(heatmap.values.shape, np.float32)
    tissue[tiles.index.row, tiles.index.column] = tiles.index.tissue_fraction
    for one in merged:
        row, column, count = int(one.rows[0]), int(one.columns[0]), len(one.rows)
        scores = heatmap.values[one.rows, one.columns].astype(np.float64)
        colour = scale.rgba(np.array(scores.mean(), np.float32))[:3].tolist()
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(namespace, f"merged tiles {row} {column}")),
            "geometry": polygon_geometry(one.polygon, left, top),
            "properties": {
                "objectType": "tile",
                "name": f"tile {row}_{column}" if count == 1 else f"{count} tiles from {row}_{column}",
                "isLocked": True,
                **scored_colour(colour, float(scores.mean())),
                "measurements": finite(
                    {
                        SCORE_MEASUREMENT: float(scores.mean()),
                        TISSUE_MEASUREMENT: float(tissue[one.rows, one.columns].mean()),
                        COUNT_MEASUREMENT: count,
                    }
                ),
            },
        }
