"""Rows of tiles with a label before each row and a few words above each tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsi_haloae.figures.saving import save_figure

COLUMNS = 8
"""Tiles in a row."""
INCHES = 1.35


@dataclass(frozen=True, eq=False)
class TileRow:
    """At most `COLUMNS` tiles (s, s, 3), each with the words above it."""

    label: str
    colour: str
    tiles: Sequence[tuple[str, NDArray[np.uint8]]]


def write_tile_rows(path: Path, rows: Sequence[TileRow]) -> None:
    """Draw the rows one below the other; a short row leaves its end empty."""
    figure = Figure(figsize=(INCHES * COLUMNS + 1.2, (INCHES + 0.25) * len(rows)), layout="constrained")
    for line, row in zip(figure.subplots(len(rows), COLUMNS, squeeze=False), rows, strict=True):
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, (words, pixels) in zip(line, row.tiles, strict=False):
            axes.imshow(pixels)
            axes.set_title(words, fontsize=8, pad=2, parse_math=False)
        line[0].set_ylabel(row.label, fontsize=8, color=row.colour, parse_math=False)
    save_figure(figure, path)
