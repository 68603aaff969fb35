"""AUPRO: how much of each defect is found while few pixels outside defects are marked.

Bergmann et al. 2021, The MVTec Anomaly Detection Dataset (IJCV 129), section 5.2. Every defect has the same weight,
whatever its size, whereas pixel AUROC is dominated by large defects.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import require_labelled_scores

LIMIT = 0.3
"""False-positive rate up to which the paper integrates."""

# Pixels that touch by a side or a corner are one region; pixels of different images never are.
_TOUCHING = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))]).astype(bool)


def aupro(maps: NDArray[np.floating], masks: NDArray[np.bool_], limit: float = LIMIT) -> float:
    """Area under the per-region overlap up to a false-positive rate of ``limit``, as a share of ``limit``.

    ``maps`` and ``masks`` are (n, h, w); regions are the 8-connected parts of each mask. Every distinct score is a
    threshold. The overlap is the share of a region at or above it, averaged over regions; the false-positive rate is
    the share of all pixels outside regions at or above it. The curve starts at (0, 0) and is straight between
    thresholds, so a constant map gets ``limit`` / 2. Nothing is sampled. Raises `UsageError` if there is no region or
    no pixel outside regions, if a score is not a number, or if ``limit`` is not in (0, 1].
    """
    require_labelled_scores(maps, masks, measure="AUPRO", of="pixel")
    if not 0 < limit <= 1:
        raise UsageError(f"The limit of AUPRO is {limit}; it must be a false-positive rate above 0 and up to 1.")
    order = np.argsort(maps, axis=None)[::-1]
    scores = maps.ravel()[order]
    threshold = np.append(scores[1:] != scores[:-1], True)
    outside = np.cumsum(~masks.ravel()[order])[threshold]
    overlap = np.cumsum(region_weights(masks).ravel()[order])[threshold]
    return float(overlap_area(outside / outside[-1], overlap / overlap[-1], limit))


def region_weights(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 / (size of its region) for each pixel in a region, else 0: (n, h, w) for masks (n, h, w)."""
    regions, _ = ndimage.label(masks, structure=_TOUCHING)
    sizes = np.bincount(regions.ravel())
    weights = np.zeros(len(sizes))
    weights[1:] = 1 / sizes[1:]
    found: NDArray[np.float64] = weights[regions]
    return found


def overlap_area(rate: NDArray[np.float64], overlap: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Area under ``overlap`` for a ``rate`` from 0 to ``limit``, divided by ``limit``: (...).

    Both are (..., k), from the highest threshold to the lowest, without the point (0, 0) at which the curve starts. The
    area is a sum of trapezoids; the one that contains ``limit`` is cut there.
    """
    width = np.diff(rate, prepend=0.0)
    rise = np.diff(overlap, prepend=0.0)
    kept = np.clip(limit - (rate - width), 0.0, width)
    share = np.divide(kept, width, out=np.zeros_like(width), where=width > 0)
    area: NDArray[np.float64] = (kept * (overlap - rise + 0.5 * rise * share)).sum(axis=-1) / limit
    return area
