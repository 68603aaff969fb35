"""The colour-controlled test: tiles that brightness, contrast and colour can no longer tell apart.

What a model still finds in them is texture. Mean and standard deviation are matched over the whole tile, glass
included, as in the pilot (specification, section 6).

Old levels are mapped to new ones by a straight line that is clipped at 0 and 255. In lung and GlaS test tiles, 0.1 to
0.4 % of grey and 1.3 to 1.5 % of colour values are clipped (9 and 19 % in the worst tile). Two effects smaller than a
level would still separate the lung classes. First, a line fitted without the clipping leaves all tiles of a class off
to the same side: mean red alone has AUROC 0.94. So the line is fitted together with its clipping. Second, rounding has
a larger error if most pixels share a few levels, as in glass: the distance of the mean from its target has AUROC 0.75.
So levels are rounded up or down at random, in proportion to their fraction, with the same draws for every tile
(dithering). Means and deviations are then within 0.01 of a level, with AUROC 0.44 to 0.56.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from wsi_haloae.errors import UsageError

Image8 = NDArray[np.uint8]

_LEVELS = np.arange(256, dtype=np.float64)
_TOLERANCE = 1e-4
_ROUNDS = 300
"""Most iterations of the fit. Real channels need a few, at the worst 164."""


@dataclass(frozen=True)
class ColourTargets:
    """Statistics of the average reference tile, in grey levels, to which every tile is matched."""

    grey_mean: float
    grey_deviation: float
    means: NDArray[np.float64]
    """(3,): red, green, blue."""
    deviations: NDArray[np.float64]
    """(3,): red, green, blue."""

    @classmethod
    def measure(cls, tiles: Iterable[Image8]) -> ColourTargets:
        """Averages of the means and deviations of reference *train* tiles (h, w, 3).

        Raises `UsageError` if there is no tile.
        """
        channels = [np.dstack([grey(tile), tile]) for tile in tiles]
        if not channels:
            raise UsageError("No reference tile was given; colour targets are measured on at least one.")
        means = np.mean([image.mean(axis=(0, 1)) for image in channels], axis=0)  # (4,)
        deviations = np.mean([image.std(axis=(0, 1)) for image in channels], axis=0)
        return cls(float(means[0]), float(deviations[0]), means[1:], deviations[1:])


def grey(tile: Image8) -> Image8:
    """Grey levels (h, w) of a tile (h, w, 3), weighted as in Rec. 601."""
    return np.asarray(Image.fromarray(tile).convert("L"))


def match_grey(tile: Image8, mean: float, deviation: float) -> Image8:
    """Convert to grey with a given mean and deviation, in three equal channels: (h, w, 3) -> (h, w, 3)."""
    return np.repeat(_match(grey(tile), mean, deviation)[..., np.newaxis], 3, axis=2)


def match_colour(tile: Image8, means: ArrayLike, deviations: ArrayLike) -> Image8:
    """Match each channel to its mean and deviation, (3,) each: (h, w, 3) -> (h, w, 3)."""
    targets = zip(np.moveaxis(tile, 2, 0), np.asarray(means), np.asarray(deviations), strict=True)
    return np.stack([_match(channel, mean, deviation) for channel, mean, deviation in targets], axis=2)


def matching_curve(levels: NDArray[np.uint8], mean: float, deviation: float) -> NDArray[np.float64]:
    """The new level, 0..255 and not rounded, of each old one: (256,) for a channel (h, w).

    ``curve[levels]`` has the given mean and deviation. A constant channel becomes the mean, rounded. If almost all
    pixels are alike, no line reaches the deviation, and the tile becomes as close to black and white as possible.
    """
    weights = np.bincount(levels.ravel(), minlength=256) / levels.size
    line = curve = _LEVELS
    for _ in range(_ROUNDS):
        reached = weights @ curve
        spread = np.sqrt(weights @ (curve - reached) ** 2)
        if spread == 0:
            return np.full(256, np.rint(mean))
        if max(abs(reached - mean), abs(spread - deviation)) < _TOLERANCE or line[1] - line[0] > 255:
            break
        line = (line - reached) * (deviation / spread) + mean
        curve = line.clip(0, 255)
    return curve


def cut_share(levels: NDArray[np.uint8], mean: float, deviation: float) -> float:
    """Share of a channel's pixels, 0..1, that matching clips at black or white."""
    curve = matching_curve(levels, mean, deviation)
    return float(np.isin(curve, (0, 255))[levels].mean())


def _match(levels: NDArray[np.uint8], mean: float, deviation: float) -> Image8:
    matched = matching_curve(levels, mean, deviation)[levels]
    return np.floor(matched + _dither(levels.shape)).astype(np.uint8)


@lru_cache(maxsize=1)
def _dither(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(0).random(shape)
