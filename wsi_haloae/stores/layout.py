"""What the arrays of a store must be: their types and shapes are checked when it is opened, their values when read.

A file that another program or a bad disk changed is told here, in one place, and not by whoever trips over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray


@dataclass(frozen=True)
class Column:
    """An array: its type, the shape of one entry (None: any length), and the values that an entry may have.

    ``unknown``: entries may be NaN.
    """

    dtype: type[np.generic]
    entry: tuple[int | None, ...] = ()
    least: float = -np.inf
    most: float = np.inf
    unknown: bool = False

    def fits(self, array: zarr.Array[Any]) -> bool:
        """Whether an array has this type and entries of this shape."""
        sides = array.shape[1:]
        if array.dtype != self.dtype or len(sides) != len(self.entry):
            return False
        return all(wanted in {None, side} for side, wanted in zip(sides, self.entry, strict=True))


def check_layout(arrays: Mapping[str, zarr.Array[Any]], expected: Mapping[str, Column]) -> None:
    """`ValueError` that names an array which is missing, or of another type or shape."""
    missing = [name for name in expected if name not in arrays]
    if missing:
        raise ValueError(f"it has no array {' and no array '.join(missing)}")
    for name, column in expected.items():
        if not column.fits(arrays[name]):
            raise ValueError(f"its array {name} is {arrays[name].dtype} of shape {arrays[name].shape}")


def check_values(name: str, values: NDArray[Any], column: Column) -> None:
    """`ValueError` for a value that no run of ours has written."""
    if np.isinf([column.least, column.most]).all():
        return
    wrong = ~((values >= column.least) & (values <= column.most))
    if column.unknown:
        wrong &= ~np.isnan(values)
    if wrong.any():
        raise ValueError(
            f"its array {name} holds {values[wrong].flat[0]}, and values from {column.least:g} to {column.most:g} only "
            "are known"
        )
