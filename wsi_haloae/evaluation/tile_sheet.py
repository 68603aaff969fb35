"""A picture of the tiles of each class that score lowest and highest: where a model is right, and where not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.figures.saving import save_figure
from wsi_haloae.quoting import printable

COLUMNS = 8
"""How many tiles of a class are shown at each end of its scores."""
INCHES = 1.35


def write_tile_sheet(path: Path, labelled: LabelledSource, scores: NDArray[np.floating]) -> None:
    """Two rows for each class, reference classes first: its lowest scores (n,), and its highest, as they were scored.

    The highest of a reference class are called by mistake, the lowest of an anomalous class are missed.
    """
    rows = list(_rows(labelled, scores))
    figure = Figure(figsize=(INCHES * COLUMNS + 1.2, (INCHES + 0.25) * len(rows)), layout="constrained")
    for line, row in zip(figure.subplots(len(rows), COLUMNS, squeeze=False), rows, strict=True):
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, number in zip(line, row.tiles.tolist(), strict=False):  # a small class does not fill its row
            axes.imshow(labelled.source.read(number))
            axes.set_title(f"{scores[number]:.2f}", fontsize=8, pad=2)
        line[0].set_ylabel(row.label, fontsize=8, color=row.colour, parse_math=False)
    save_figure(figure, path)


class _Row(NamedTuple):
    label: str
    colour: str
    tiles: NDArray[np.int64]


def _rows(labelled: LabelledSource, scores: NDArray[np.floating]) -> Iterator[_Row]:
    for kind, colour in ((~labelled.anomalous, "tab:blue"), (labelled.anomalous, "tab:red")):
        for name in sorted(set(labelled.classes[kind].tolist())):
            own = np.flatnonzero(labelled.classes == name)
            order = own[np.argsort(scores[own], kind="stable")]
            count = min(COLUMNS, -(-len(order) // 2))  # nearly no tile of a small class is shown twice
            yield _Row(f"{printable(name)},\nlowest", colour, order[:count])
            yield _Row(f"{printable(name)},\nhighest", colour, order[::-1][:count])
