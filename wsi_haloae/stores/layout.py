"""What the arrays of a store must look like. Types and shapes are checked on opening, values on reading.

Files changed by another program or a bad disk are thus reported here, in one place, not by the code that reads them.
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
    """An array: its type, the shape of one entry (None: any length), and the range of its values.

    ``unknown``: values may be NaN. ``older``: the type that stores of earlier versions have.
    """

    dtype: type[np.generic]
    entry: tuple[int | None, ...] = ()
    least: float = -np.inf
    most: float = np.inf
    unknown: bool = False
    older: type[np.generic] | None = None

    def fits(self, array: zarr.Array[Any]) -> bool:
        """Whether an array has this type and entries of this shape."""
        sides = array.shape[1:]
        if array.dtype not in {np.dtype(self.dtype), np.dtype(self.older or self.dtype)} or len(sides) != len(
            self.entry
        ):
            return False
        return all(wanted in {None, side} for side, wanted in zip(sides, self.entry, strict=True))


def check_layout(arrays: Mapping[str, zarr.Array[Any]], expected: Mapping[str, Column]) -> None:
    """Raise `ValueError`, naming the array, if one is missing or has the wrong type or shape."""
    missing = [name for name in expected if name not in arrays]
    if missing:
        raise ValueError(f"it has no array {' and no array '.join(missing)}")
    for name, column in expected.items():
        if not column.fits(arrays[name]):
            raise ValueError(f"its array {name} is {arrays[name].dtype} of shape {arrays[name].shape}")


def check_values(name: str, values: NDArray[Any], column: Column) -> None:
    """Raise `ValueError` for a value outside the column's range: no run of this package writes one."""
    if np.isinf([column.least, column.most]).all():
        return
    wrong = ~((values >= column.least) & (values <= column.most))
    if column.unknown:
        wrong &= ~np.isnan(values)
    if wrong.any():
        raise ValueError(
            f"its array {name} holds {values[wrong].flat[0]}, but its values must lie between {column.least:g} "
            f"and {column.most:g}"
        )
