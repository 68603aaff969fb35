"""tiles.csv: one line per tile, for people and for pandas.

    x, y, width, height   level-0 pixels from the slide's own top left corner (what OpenSlide's
                          read_region takes), clipped at the slide's edge
    row, column           place in the grid, from 0
    tissue_fraction       0 to 1
    score                 anomaly score, higher = less like the reference
    score_paper           the paper's own score (eq. 4)
    p_value               conformal p-value of the score; empty without calibration
    flags                 quality-control flags, the names of `artefacts.flags.FLAGS` ("pen"), joined by ";"
    state                 scored, unreadable or pending
    anomalous             yes or no; empty if the tile cannot be called
    criterion             what decided it: a score, a false-discovery rate, or the per-tile error rate
                          that is used instead if there are too few calibration tiles

Numbers have up to nine significant digits, enough for every float32. NaN is an empty field.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from wsi_haloae.artefacts.flags import column_words
from wsi_haloae.atomic import replacing
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.quoting import safe_cell
from wsi_haloae.stores.scored_tiles import STATE_WORDS, ScoredTiles

COLUMNS = (
    "x", "y", "width", "height", "row", "column",
    "tissue_fraction", "score", "score_paper", "p_value", "flags", "state",
    "anomalous", "criterion",
)  # fmt: skip


def write_tile_table(path: Path, source: OpenStore) -> None:
    """Write all tiles, including unreadable ones, as UTF-8 with line feeds."""
    tiles, index = source.tiles, source.tiles.index
    words = {int(state): word for state, word in STATE_WORDS.items()}
    columns = zip(
        index.location.tolist(),
        index.size.tolist(),
        index.row.tolist(),
        index.column.tolist(),
        index.tissue_fraction.tolist(),
        tiles.score.tolist(),
        tiles.score_paper.tolist(),
        tiles.p_value.tolist(),
        tiles.flags.tolist(),
        tiles.state.tolist(),
        _called(tiles),
        strict=True,
    )
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (x, y), (width, height), row, column, tissue, score, paper, p_value, bits, state, called in columns:
            numbers = (_field(tissue), _field(score), _field(paper), _field(p_value))
            writer.writerow((x, y, width, height, row, column, *numbers, column_words(bits), words[state], *called))


def _called(tiles: ScoredTiles) -> list[tuple[str, str]]:
    selection = tiles.selection
    if selection is None:
        return [("", "")] * len(tiles)
    pairs = zip(selection.chosen.tolist(), selection.judged.tolist(), strict=True)
    title = safe_cell(selection.title)
    return [("yes" if chosen else "no", title) if judged else ("", "") for chosen, judged in pairs]


def _field(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
