"""A picture of the tiles about which two scorings differ most: those that one calls and the other does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from wsi_haloae.evaluation.agreement import SIDES
from wsi_haloae.evaluation.paired_slide import PairedSlide
from wsi_haloae.figures.tile_rows import COLUMNS, TileRow, write_tile_rows
from wsi_haloae.quoting import printable
from wsi_haloae.stores.tile_store import TileStore

ROWS = 2
"""Of tiles that only one side calls, for each side."""
NAME_SHOWN = 17
"""Characters of a slide's name that fit above a tile."""
COLOURS = ("tab:purple", "tab:green")


def write_agreement_sheet(path: Path, slides: Sequence[PairedSlide], pixels: Mapping[str, TileStore]) -> bool:
    """Draw the tiles of slides that have ``pixels``, by name; False, and no picture, if there is nothing to draw.

    Of all tiles that only one side calls, those are shown whose rank among all tiles differs most. Where a side cannot
    call any tile, they are those whose rank differs most, whatever is called.
    """
    leads = _leads(slides)
    rows = [row for side in range(2) for row in _rows(side, slides, leads, pixels)]
    if rows:
        write_tile_rows(path, rows)
    return bool(rows)


def _leads(slides: Sequence[PairedSlide]) -> list[NDArray[np.float64]]:
    """By how much each tile in ``both`` ranks higher first than second, -1 to 1, among the tiles of all slides."""
    first, second = (np.concatenate(parts) for parts in zip(*(slide.scores for slide in slides), strict=True))
    lead = (rankdata(first) - rankdata(second)) / max(1, len(first))
    return np.split(lead, np.cumsum([int(slide.both.sum()) for slide in slides])[:-1])


def _rows(
    side: int, slides: Sequence[PairedSlide], leads: Sequence[NDArray[np.float64]], pixels: Mapping[str, TileStore]
) -> Iterator[TileRow]:
    can_call = all(slide.calls is not None for slide in slides)
    found: list[tuple[float, PairedSlide, int]] = []
    for slide, lead in zip(slides, leads, strict=True):
        if slide.name in pixels:
            ahead, numbers = (lead if side == 0 else -lead), np.flatnonzero(slide.both)
            wanted = _only(slide, side) if can_call else ahead > 0
            best = np.flatnonzero(wanted)[np.argsort(-ahead[wanted], kind="stable")][: ROWS * COLUMNS]
            found += [(float(ahead[place]), slide, int(numbers[place])) for place in best]
    found.sort(key=lambda one: -one[0])
    kind = "called only by" if can_call else "ranked higher by"
    shown = found[: ROWS * COLUMNS]
    for start in range(0, len(shown), COLUMNS):
        part = shown[start : start + COLUMNS]
        tiles = [_drawn(slide, number, pixels[slide.name]) for _, slide, number in part]
        yield TileRow(f"{kind}\nthe {SIDES[side]}", COLOURS[side], tiles)


def _only(slide: PairedSlide, side: int) -> NDArray[np.bool_]:
    calls = slide.calls
    assert calls is not None, "asked for only where all slides have calls"
    only: NDArray[np.bool_] = calls[side] & ~calls[1 - side]
    return only


def _drawn(slide: PairedSlide, number: int, store: TileStore) -> tuple[str, NDArray[np.uint8]]:
    name = printable(slide.name)
    shown = name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"
    words = f"{shown}\n{slide.first.score[number]:.3g} / {slide.second.score[number]:.3g}"
    return words, store.read_tile(number)
