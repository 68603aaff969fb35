"""One colour table for every picture: blue is like the reference, red is anomalous.

The table is ColorBrewer's RdYlBu, reversed (Cynthia Brewer, https://colorbrewer2.org, eleven classes), with linear
interpolation between the classes. It stays readable with the common forms of colour blindness, and neither end is a
colour of haematoxylin, eosin or DAB. It is written out here so that pictures do not change with the version of a
plotting library.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import StoreError

ANCHORS = (
    (49, 54, 149),
    (69, 117, 180),
    (116, 173, 209),
    (171, 217, 233),
    (224, 243, 248),
    (255, 255, 191),
    (254, 224, 144),
    (253, 174, 97),
    (244, 109, 67),
    (215, 48, 39),
    (165, 0, 38),
)
"""The classes, low to high, RGB."""


def _interpolated(anchors: tuple[tuple[int, int, int], ...], entries: int) -> NDArray[np.uint8]:
    channels = np.array(anchors, np.float64).T
    places = np.linspace(0, len(anchors) - 1, entries)
    table = np.stack([np.interp(places, np.arange(len(anchors)), channel) for channel in channels], axis=1)
    return np.floor(table + 0.5).astype(np.uint8)


COLOUR_TABLE: NDArray[np.uint8] = _interpolated(ANCHORS, 256)
"""(256, 3) RGB; all colours differ, so scores can be read back from a picture."""
COLOUR_TABLE.flags.writeable = False


@dataclass(frozen=True)
class ColourScale:
    """Scores to colours on a fixed range: the checkpoint's range, never the slide's own.

    Scaled by its own extremes, a slide with nothing wrong would look as alarming as any other. `StoreError` for a range
    that is empty or not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise StoreError(
                f"The display range {self.low:g} to {self.high:g} was given, but colours need two finite scores, the "
                "first below the second. The range comes from the checkpoint: train the model again."
            )

    def entries(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Index into `COLOUR_TABLE` for each value, clamped to the range; 0 for NaN."""
        position = (values.astype(np.float64) - self.low) / (self.high - self.low)
        position = np.clip(np.nan_to_num(position, nan=0.0), 0.0, 1.0)
        return np.floor(position * (len(COLOUR_TABLE) - 1) + 0.5).astype(np.uint8)

    def rgba(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Values of any shape as (..., 4) RGBA: opaque, or fully transparent black where NaN."""
        colours = np.zeros((*values.shape, 4), np.uint8)
        known = ~np.isnan(values)
        colours[known, :3] = COLOUR_TABLE[self.entries(values[known])]
        colours[known, 3] = 255
        return colours
