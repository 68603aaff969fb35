"""The three colourings in which labelled tiles are shown to a method: unchanged, colour-matched and grey-matched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.experiments.colour_control import ColourTargets, match_colour, match_grey

Tile = NDArray[np.uint8]
Colouring = Literal["colour", "matched", "grey"]
COLOURINGS: tuple[Colouring, ...] = ("colour", "matched", "grey")


class Recolour:
    """Tiles (s, s, 3) in one colouring; targets are measured on reference *train* tiles."""

    def __init__(self, colouring: Colouring, train: Iterable[Tile]) -> None:
        self.colouring = colouring
        self._targets = None if colouring == "colour" else ColourTargets.measure(train)

    def __call__(self, tile: Tile, _number: int = 0) -> Tile:
        """The tile in this colouring; ``colour`` leaves it unchanged."""
        if self._targets is None:
            return tile
        if self.colouring == "grey":
            return match_grey(tile, self._targets.grey_mean, self._targets.grey_deviation)
        return match_colour(tile, self._targets.means, self._targets.deviations)
