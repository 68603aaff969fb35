"""TissueMask: which part of each rectangle of a slide is tissue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.tissue.parts import Part


@dataclass(frozen=True)
class TissueMask:
    """Which pixels of a thumbnail are tissue, and what the others are.

    ``parts`` (h, w) uint8 has values of `Part`, ``thumbnail`` is the (h, w, 3) RGB they were found on,
    ``l0_per_pixel_x`` and ``_y`` are level-0 pixels per thumbnail pixel. ``parameters`` are the values that decided
    the mask, ready for JSON; ``warnings`` says what could not be read. ``why_empty`` says why there is no tissue on a
    slide that is not empty glass; None if there is tissue, or nothing but glass.
    """

    parts: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8]
    l0_per_pixel_x: float
    l0_per_pixel_y: float
    parameters: dict[str, Any]
    warnings: tuple[str, ...] = ()
    why_empty: str | None = None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Where tissue lies, (h, w)."""
        return np.asarray(self.parts == Part.TISSUE)

    @property
    def pen(self) -> NDArray[np.bool_]:
        """Where marker pen was found and left out, (h, w)."""
        return np.asarray(self.parts == Part.PEN)

    def fractions(self, locations: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Share of each level-0 rectangle that is tissue, (n,) in 0..1.

        ``locations`` is (n, 2) as (x, y), ``sizes`` (n, 2) as (width, height), both positive.
        A mask pixel that a rectangle covers in part counts in proportion. Anything outside
        the mask is not tissue.
        """
        scale = np.array([self.l0_per_pixel_x, self.l0_per_pixel_y])
        left, top = (locations / scale).T
        right, bottom = ((locations + sizes) / scale).T
        table = _summed_area_table(self.mask)
        area = (
            _integral(table, right, bottom)
            - _integral(table, left, bottom)
            - _integral(table, right, top)
            + _integral(table, left, top)
        )
        share = area / ((right - left) * (bottom - top))
        return np.asarray(np.clip(share, 0.0, 1.0), np.float32)


def _summed_area_table(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(h + 1, w + 1): how many pixels are set above and to the left of each pixel corner."""
    table = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    np.cumsum(mask, axis=0, dtype=np.int32, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, dtype=np.int32, out=table[1:, 1:])
    return table


def _integral(table: NDArray[np.int32], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area set within [0, x] x [0, y]. Bilinear between corners is exact: the mask is constant per pixel."""
    height, width = table.shape[0] - 1, table.shape[1] - 1
    x, y = np.clip(x, 0, width), np.clip(y, 0, height)
    column, row = np.minimum(x.astype(np.int64), width - 1), np.minimum(y.astype(np.int64), height - 1)
    right, down = x - column, y - row
    above = table[row, column] * (1 - right) + table[row, column + 1] * right
    below = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
    result: NDArray[np.float64] = above * (1 - down) + below * down
    return result
