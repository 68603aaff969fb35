"""One slide in a few numbers that can be compared with other slides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.calibration.reach import TILE_RATE
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.store_header import GridRecord
from wsi_haloae.workspace.record import SlideSummary


def summarise(tiles: ScoredTiles) -> SlideSummary:
    """Summarise all scored tiles. All numbers are None for a slide without scored tiles."""
    scored = ~np.isnan(tiles.score)
    area, score = tissue_area(tiles)[scored], tiles.score[scored].astype(np.float64)
    selection, why_none = tiles.selection, tiles.why_none
    if not scored.any():
        return SlideSummary()
    total = float(area.sum())

    def share(chosen: NDArray[np.bool_]) -> float:
        return float(area[chosen].sum()) / total

    called = None if selection is None else selection.chosen[scored]
    return SlideSummary(
        tissue_mm2=total,
        anomalous_mm2=None if called is None else float(area[called].sum()),
        anomalous_share=None if called is None else share(called),
        p_below=share(tiles.p_value[scored] <= TILE_RATE) if why_none is None else None,
        above_display=share(score > tiles.header.model.display_range[1]),
        median_score=float(np.median(score)),
        p95_score=float(np.percentile(score, 95)),
        why_none=why_none,
    )


def recorded_calling(tiles: ScoredTiles) -> dict[str, Any]:
    """What a run record says about called tiles: null, never 0, if no tile can be called."""
    return {
        "anomalous": None if tiles.selection is None else tiles.selection.facts(),
        "counts": {"anomalous": tiles.called},
        "summary": summarise(tiles).model_dump(),
    }


def tissue_area(tiles: ScoredTiles) -> NDArray[np.float64]:
    """Tissue area in mm² of each tile, (n,). Overlapping tiles share the area that they cover."""
    slide, size = tiles.header.slide, tiles.index.size.astype(np.float64)
    own = size[:, 0] * size[:, 1] * _own_share(tiles.header.grid)
    return own * slide.mpp_x * slide.mpp_y * 1e-6 * tiles.index.tissue_fraction


def _own_share(grid: GridRecord) -> float:
    return (min(grid.stride, grid.tile_size) / grid.tile_size) ** 2
