"""Real H&E recoloured into other stains, and ink as it lies on a coverslip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Pixels = NDArray[np.uint8]

_H_AND_E = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
"""Optical densities of haematoxylin and eosin (Ruifrok and Johnston 2001)."""
STAINS = {
    "Alcian blue": [[0.65, 0.70, 0.29], [0.85, 0.48, 0.20]],
    "Masson, green": [[0.60, 0.62, 0.50], [0.85, 0.30, 0.43]],
    "methyl green and DAB": [[0.93, 0.30, 0.22], [0.27, 0.57, 0.78]],
    "blue": [[0.90, 0.40, 0.15], [0.80, 0.55, 0.20]],
    "green": [[0.85, 0.30, 0.42], [0.80, 0.25, 0.50]],
    "Luxol fast blue": [[0.88, 0.45, 0.13], [0.74, 0.60, 0.30]],
}
INKS = {"blue": (1.2, 0.7, 0.15), "green": (1.0, 0.3, 0.6), "red": (0.03, 0.9, 0.85), "black": (1.1, 1.1, 1.05)}
"""Optical densities of markers."""


def _unit(vectors: object) -> NDArray[np.float64]:
    rows = np.array(vectors, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def recoloured(rgb: Pixels, stain: str) -> Pixels:
    """H&E (h, w, 3) with the same amounts of two other stains."""
    density = np.maximum(0, -np.log10(np.maximum(rgb, 1) / 245.0))
    amounts = np.maximum(0, density @ np.linalg.pinv(_unit(_H_AND_E)))
    return np.asarray((245 * 10 ** -(amounts @ _unit(STAINS[stain]))).clip(0, 255), np.uint8)


def inked(rgb: Pixels, ink: str, where: NDArray[np.bool_]) -> Pixels:
    """Translucent ink over the places ``where`` (h, w), out of focus as on a coverslip."""
    layer = ndimage.gaussian_filter(where.astype(np.float32), 1.5)[..., None]
    return np.asarray((rgb * 10 ** (-layer * np.array(INKS[ink]))).clip(0, 255), np.uint8)
