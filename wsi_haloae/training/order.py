"""The order of training tiles: every tile once per pass, or every slide, patient or site equally often.

Each order depends only on (seed, position), so that a resumed run sees the same tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class TileOrder(Protocol):
    """The number of the tile at each position, counted from 0."""

    def tile(self, position: int) -> int:
        """The tile at a position; positions have no upper limit."""
        ...


class Passes:
    """Pass after pass over all tiles ``numbers`` (n,), in a new order for each pass."""

    def __init__(self, numbers: Numbers, seed: int, *key: int) -> None:
        self._numbers, self._key = numbers, (seed, *(key or (0,)))
        self._pass, self._shuffled = -1, numbers

    def tile(self, position: int) -> int:
        """The tile at a position."""
        number, place = divmod(position, len(self._numbers))
        if number != self._pass:  # kept until the pass ends: an order of ten million tiles takes a second
            order = np.random.default_rng((*self._key, number)).permutation(len(self._numbers))
            self._pass, self._shuffled = number, self._numbers[order]
        return int(self._shuffled[place])


class Balanced:
    """The strata in turn, in a new order each round; within a stratum, pass after pass over its tiles.

    A patient with 100,000 tiles appears as often as one with 500. ``strata`` (n,) has the stratum of each tile in
    ``numbers`` (n,).
    """

    def __init__(self, numbers: Numbers, strata: Sequence[str], seed: int) -> None:
        names, own = np.unique(np.asarray(strata), return_inverse=True)
        self._turns = Passes(np.arange(len(names)), seed, 2)
        self._members = [Passes(numbers[own == stratum], seed, 3, stratum) for stratum in range(len(names))]

    def tile(self, position: int) -> int:
        """The tile at a position."""
        return self._members[self._turns.tile(position)].tile(position // len(self._members))
