"""ArtefactFlag: what is wrong with a tile, as bits in a store and as words in a table."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.artefacts.quantities import TileQuantities


class ArtefactFlag(IntFlag):
    """The artefacts of a tile. The values are stored: never give one a new meaning."""

    OUT_OF_FOCUS = 1
    PEN = 2
    FOLD = 4
    MOSTLY_GLASS = 8


def flags(quantities: NDArray[np.float32], limits: ArtefactLimits) -> NDArray[np.uint8]:
    """Bits of `ArtefactFlag` for tiles with ``quantities`` (n, 4), as `measure_all` gives them: (n,).

    A value on its limit is no artefact; nor is NaN, which stands for a tile that could not be read.
    """
    columns = TileQuantities(*quantities.T)
    found = {
        ArtefactFlag.OUT_OF_FOCUS: columns.focus < limits.focus,
        ArtefactFlag.PEN: columns.ink_share > limits.ink_share,
        ArtefactFlag.FOLD: columns.fold_ratio > limits.fold_ratio,
        ArtefactFlag.MOSTLY_GLASS: columns.glass_share > limits.glass_share,
    }
    bits = np.zeros(len(quantities), np.uint8)
    for flag, is_found in found.items():
        bits[is_found] |= np.uint8(flag)
    return bits


def words(bits: int) -> str:
    """Names of the flags that are set, for a table: ``"out_of_focus;pen"``; empty without any."""
    return ";".join(str(flag.name).lower() for flag in ArtefactFlag(bits))
