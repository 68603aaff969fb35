"""The tiles of a slide that a training used: their grid, and the part of each cell of it.

A cell takes two bits, whether it was used or not, and only the rectangle of cells around the used ones is kept. That is
a quarter of a byte for each used tile if they fill the rectangle, and never more than 5 kB for a slide of
70,000 x 70,000 pixels in tiles of 512 pixels of level 0, however many of them were used.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from wsi_haloae.provenance.parts import PartNumbers

BITS = 2
CELLS_PER_BYTE = 8 // BITS
_SHIFTS = BITS * np.arange(CELLS_PER_BYTE, dtype=np.uint8)
_MOST = 1 << 26

Count = Annotated[int, Field(ge=0, le=_MOST)]
Extent = Annotated[int, Field(ge=1, le=_MOST)]
Scale = Annotated[float, Field(gt=0, le=1e6)]


class UsedGrid(BaseModel):
    """A rectangle of cells of a `tiles.grid.TileGrid`: its first cell, and its number of rows and columns."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tile_size: Extent
    stride: Extent
    l0_scale_x: Scale
    l0_scale_y: Scale
    first_row: Count
    first_column: Count
    rows: Extent
    columns: Extent

    @property
    def packed_bytes(self) -> int:
        """How many bytes its cells take."""
        return -(-self.rows * self.columns // CELLS_PER_BYTE)


class UsedTiles(UsedGrid):
    """The grid with its packed cells, as text (base64) that fits into a header."""

    cells: str

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            found = len(self._packed())
        except binascii.Error as error:
            raise ValueError(f"cells are no base64 ({error})") from None
        if found != self.packed_bytes:
            raise ValueError(f"{self.rows} x {self.columns} cells take {self.packed_bytes} bytes, not {found}")
        return self

    @classmethod
    def of(cls, grid: UsedGrid, packed: NDArray[np.uint8]) -> Self:
        """The cells of ``grid``, packed by `pack`."""
        fields = {name: getattr(grid, name) for name in UsedGrid.model_fields}
        return cls(**fields, cells=base64.b64encode(packed.tobytes()).decode())

    def parts(self) -> PartNumbers:
        """The part of each cell, (rows, columns)."""
        packed = np.frombuffer(self._packed(), np.uint8)
        values = (packed[:, None] >> _SHIFTS & (1 << BITS) - 1).astype(np.uint8)
        return values.ravel()[: self.rows * self.columns].reshape(self.rows, self.columns)

    def _packed(self) -> bytes:
        return base64.b64decode(self.cells, validate=True)


def pack(parts: PartNumbers) -> NDArray[np.uint8]:
    """The parts of cells (rows, columns), four to a byte."""
    padded = np.zeros(-(-parts.size // CELLS_PER_BYTE) * CELLS_PER_BYTE, np.uint8)
    padded[: parts.size] = parts.ravel()
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(padded.reshape(-1, CELLS_PER_BYTE) << _SHIFTS, axis=1)
    return packed
