"""Stain normalisation: change a slide's two stains to the colour and strength of the reference's.

Macenko et al. 2009 (A method for normalizing histology slides for quantitative analysis, ISBI). The
stains are estimated by torchstain, an optional package; changing a tile needs only numpy. They are
estimated once for many tiles of a slide, never tile by tile: that would force a tile of fat or
glass to the colours of tumour, and so hide anomalies.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import GLASS_LEVEL
from wsi_haloae.errors import UsageError
from wsi_haloae.stain.density import Image8, map_densities

UNSTAINED = 219
"""A channel this bright absorbs nothing: torchstain's limit, an optical density of 0.15 (natural logarithm)."""
FEWEST_PIXELS, MOST_PIXELS = 1_000, 500_000
"""Stained pixels needed at least, and tissue pixels used at most."""
SMALLEST_SINE = 0.05
"""Sine of the smallest angle between the two stain vectors: 3 degrees."""


@dataclass(frozen=True)
class StainEstimate:
    """The two stains of a slide, or of the reference tiles: plain arrays, stored in a checkpoint.

    ``vectors`` (2, 3) are haematoxylin's and eosin's unit vectors of optical density, ``strengths``
    (2,) the 99th percentiles of their amounts. Raises `UsageError` if these are not two different stains.
    """

    vectors: NDArray[np.float64]
    strengths: NDArray[np.float64]

    def __post_init__(self) -> None:
        sine = np.linalg.norm(np.cross(*self.vectors))
        if not (sine > SMALLEST_SINE and (self.strengths > 0).all()):
            raise UsageError(
                f"Two stains are needed, but the tiles have one colour: vectors {self.vectors.round(2).tolist()}, "
                f"strengths {self.strengths.round(2).tolist()}. Give tiles that show both nuclei and stroma."
            )

    def basis(self) -> NDArray[np.float64]:
        """(3, 3): densities of full haematoxylin, full eosin, and one unit of the residual, which is neither."""
        residual = np.cross(*self.vectors)
        return np.vstack([self.vectors * self.strengths[:, np.newaxis], residual / np.linalg.norm(residual)])


def estimate_stains(tiles: Iterable[Image8], glass_level: float | None = GLASS_LEVEL) -> StainEstimate:
    """The stains of tiles (h, w, 3) of one slide or of the reference, taken together.

    A few dozen tiles are enough: at most half a million pixels of tissue are used, evenly
    spaced. A pixel is glass when its darkest channel is at least ``glass_level`` of full light, in whole
    levels (the configuration's ``scoring.glass_level``; None: there is no glass). Raises `UsageError`
    if the package torchstain is missing, if fewer than 1,000 of the pixels are stained, or if they all
    have one colour.
    """
    macenko = _torchstain().normalizers.MacenkoNormalizer(backend="numpy")
    glass = 256 if glass_level is None else int(255 * glass_level)
    tissue = np.concatenate([np.empty((0, 3), np.uint8), *(tile[tile.min(axis=2) < glass] for tile in tiles)])
    pixels = tissue[:: -(-len(tissue) // MOST_PIXELS) or 1]  # (n, 3)
    # torchstain takes the directions from pixels that absorb in every channel
    stained = int((pixels.max(axis=1, initial=0) < UNSTAINED).sum())
    if stained < FEWEST_PIXELS:
        raise UsageError(
            f"Stains cannot be estimated from these tiles: {stained:,} pixels are stained in every channel, "
            f"but {FEWEST_PIXELS:,} are needed. Give more tiles, or tiles with more tissue."
        )
    macenko.fit(pixels[np.newaxis], Io=255)
    return StainEstimate(np.asarray(macenko.HERef, np.float64).T, np.asarray(macenko.maxCRef, np.float64))


@dataclass(frozen=True)
class StainNormaliser:
    """Brings tiles of any slide to the reference's stains."""

    target: StainEstimate

    @classmethod
    def fit(cls, tiles: Iterable[Image8], glass_level: float | None = GLASS_LEVEL) -> StainNormaliser:
        """From reference *train* tiles, (n, s, s, 3) or one by one; raises as `estimate_stains` does."""
        return cls(estimate_stains(tiles, glass_level))

    def transform(self, tile: Image8, source: StainEstimate) -> Image8:
        """A tile (h, w, 3) of the slide whose stains are ``source``: (h, w, 3).

        White stays white. What is neither stain (pigment, pen) keeps its amount.
        """
        return map_densities(tile, np.linalg.inv(source.basis()) @ self.target.basis())


def _torchstain() -> Any:
    try:
        return importlib.import_module("torchstain")
    except ModuleNotFoundError:
        raise UsageError(
            "Stain normalisation needs the package torchstain, which is not installed: pip install 'wsi-haloae[stain]'."
        ) from None
