"""Which cells of a mosaic are tissue, and which of these are anomalous. This module works on cells, not pixels.

The tissue is one piece of irregular outline. The anomalous cells are separate compact regions in it,
each about half as large as the one before, to reveal a method that finds only large
regions. As on the synthetic slide, they take about the same share of the tissue's rim as of its
area, so that tiles with some glass in them do not belong mostly to one class.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from wsi_haloae.errors import UsageError
from wsi_haloae.synthetic.blob import make_blob

CANDIDATES = 24
"""Random placements of the regions, of which the best balanced one is used."""
SEPARATION = 2
"""Reference tiles between two regions: with one, tiles of a shifted grid could join them."""
ELONGATION = 1.6
"""A region is at most this much longer than wide, if the tissue's outline allows it."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MosaicLayout:
    """Cells of a mosaic, both arrays (rows, columns).

    ``tissue`` marks the cells that hold a tile. ``region`` is k on the cells of the k-th anomalous region,
    counted from 1 and from the largest, and 0 elsewhere.
    """

    tissue: Mask
    region: NDArray[np.int64]

    @property
    def sizes(self) -> list[int]:
        """Cells of each region."""
        return [int(cells) for cells in np.bincount(self.region.ravel())[1:]]


def make_mosaic_layout(
    rng: np.random.Generator, rows: int, columns: int, *, margin: int, share: float, regions: int
) -> MosaicLayout:
    """A random layout with ``share`` of the tissue, rounded to whole cells, in ``regions`` regions.

    ``margin`` is the number of cells of glass at every edge; a share of 0 gives no
    region. Raises `UsageError` if there is no room.
    """
    assert margin >= 1 and regions >= 1 and 0 <= share < 1
    tissue = _tissue(rng, rows, columns, margin)
    anomalous = round(share * int(tissue.sum()))
    if share > 0 and anomalous < regions:
        raise UsageError(
            f"{rows} rows x {columns} columns with a margin of {margin} hold {tissue.sum()} tiles of tissue; a share "
            f"of {share:g} is {anomalous} anomalous tiles, too few for {regions} regions. Choose more rows and "
            "columns, a larger share or fewer regions."
        )
    sizes = _halving_sizes(anomalous, regions) if share > 0 else []
    drawn = [_place_regions(rng, tissue, sizes) for _ in range(CANDIDATES)]
    candidates = [region for region in drawn if region is not None]
    if not candidates:
        raise UsageError(
            f"regions of {', '.join(map(str, sizes))} tiles that do not touch find no room in {tissue.sum()} tiles of "
            "tissue. Choose a smaller share or fewer regions."
        )
    sides = _sides_on_glass(tissue)
    rim_shares = [sides[region > 0].sum() / sides.sum() for region in candidates]
    return MosaicLayout(tissue, candidates[int(np.argmin(np.abs(np.array(rim_shares) - share)))])


def _tissue(rng: np.random.Generator, rows: int, columns: int, margin: int) -> Mask:
    """Cells whose centre lies in a blob that fills the area inside the margin; only their largest piece."""
    inner_rows, inner_columns = rows - 2 * margin, columns - 2 * margin
    if min(inner_rows, inner_columns) < 3:
        raise UsageError(
            f"{rows} rows x {columns} columns with a margin of {margin} on each side leave no room for tissue: "
            f"at least {2 * margin + 3} rows and columns are needed."
        )
    outline = make_blob(rng, (columns / 2, rows / 2), inner_columns / 2, inner_rows / 2)
    y, x = np.mgrid[:rows, :columns] + 0.5
    pieces = _pieces(shapely.contains_xy(outline, x, y))
    return np.asarray(pieces == np.bincount(pieces[pieces > 0]).argmax())


def _halving_sizes(total: int, count: int) -> list[int]:
    """``total`` in ``count`` parts of at least 1, each about half of the one before and none larger than it."""
    weights = 0.5 ** np.arange(count)
    ends = np.rint((total - count) * np.cumsum(weights) / weights.sum()).astype(int)
    return sorted((1 + int(part) for part in np.diff(ends, prepend=0)), reverse=True)  # small ones are rounded unevenly


def _place_regions(rng: np.random.Generator, tissue: Mask, sizes: list[int]) -> NDArray[np.int64] | None:
    """Regions of ``sizes`` at random places, or None if there is no room for one of them."""
    region = np.zeros(tissue.shape, np.int64)
    free = tissue.copy()
    for number, size in enumerate(sizes, start=1):
        grown = _grown(rng, free, size)
        if grown is None:
            return None
        region[grown] = number
        free &= ~ndimage.binary_dilation(grown, np.ones((3, 3)), iterations=SEPARATION)
    return region


def _grown(rng: np.random.Generator, free: Mask, size: int) -> Mask | None:
    """``size`` free cells connected by their sides, nearest first from a random one; None if there is no room."""
    pieces = _pieces(free)
    starts = np.argwhere(free & (np.bincount(pieces.ravel())[pieces] >= size))
    if not len(starts):
        return None
    row, column = starts[rng.integers(len(starts))].tolist()
    distance = _elliptic_distance(rng, free.shape, row, column)
    grown, unseen = np.zeros_like(free), free.copy()
    unseen[row, column] = False
    edge = [(0.0, row, column)]
    for _ in range(size):
        _, row, column = heapq.heappop(edge)
        grown[row, column] = True
        for neighbour in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if unseen[neighbour]:  # never outside: the margin is never free
                unseen[neighbour] = False
                heapq.heappush(edge, (float(distance[neighbour]), *neighbour))
    return grown


def _elliptic_distance(rng: np.random.Generator, shape: tuple[int, ...], row: int, column: int) -> NDArray[np.float64]:
    """Distance of each cell from one, measured shorter along a random direction."""
    angle, elongation = rng.uniform(0, np.pi), rng.uniform(1, ELONGATION)
    down, across = np.mgrid[: shape[0], : shape[1]] - np.array([row, column])[:, None, None]
    along = across * np.cos(angle) + down * np.sin(angle)
    aside = down * np.cos(angle) - across * np.sin(angle)
    return np.asarray(np.hypot(along / elongation, aside))


def _sides_on_glass(tissue: Mask) -> NDArray[np.int64]:
    """How many of each tissue cell's four sides face glass, (rows, columns)."""
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    facing = ndimage.convolve((~tissue).astype(np.int64), cross)
    return np.asarray(np.where(tissue, facing, 0))


def _pieces(mask: Mask) -> NDArray[np.int64]:
    """Pieces of cells connected by their sides, numbered from 1."""
    return np.asarray(ndimage.label(mask)[0], np.int64)
