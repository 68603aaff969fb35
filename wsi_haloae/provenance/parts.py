"""The three parts that reference tiles are split into, and arrays that say which part each tile is in."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "validation", "calibration"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
UNUSED: Final = 0

PartNumbers = NDArray[np.uint8]
"""For each tile, `UNUSED`, or 1 + the position in `PARTS` of the part that it is in."""


def count_parts(numbers: PartNumbers) -> dict[Part, int]:
    """How many tiles are in each part; parts without tiles are left out."""
    counts = np.bincount(numbers.ravel(), minlength=len(PARTS) + 1).tolist()
    return {part: count for part, count in zip(PARTS, counts[1:], strict=True) if count}
