"""A picture of the tiles of each class that score lowest and highest: where a model is right, and where not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.figures.tile_rows import COLUMNS, TileRow, write_tile_rows
from wsi_haloae.quoting import printable


def write_tile_sheet(path: Path, labelled: LabelledSource, scores: NDArray[np.floating]) -> None:
    """Two rows for each class, reference classes first: its lowest scores (n,), and its highest, as they were scored.

    The highest of a reference class are called by mistake, the lowest of an anomalous class are missed.
    """
    write_tile_rows(path, list(_rows(labelled, scores)))


def _rows(labelled: LabelledSource, scores: NDArray[np.floating]) -> Iterator[TileRow]:
    for kind, colour in ((~labelled.anomalous, "tab:blue"), (labelled.anomalous, "tab:red")):
        for name in sorted(set(labelled.classes[kind].tolist())):
            own = np.flatnonzero(labelled.classes == name)
            order = own[np.argsort(scores[own], kind="stable")]
            count = min(COLUMNS, -(-len(order) // 2))  # nearly no tile of a small class is shown twice
            for end, chosen in (("lowest", order[:count]), ("highest", order[::-1][:count])):
                tiles = [(f"{scores[number]:.2f}", labelled.source.read(number)) for number in chosen.tolist()]
                yield TileRow(f"{printable(name)},\n{end}", colour, tiles)
