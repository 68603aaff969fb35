"""Adapts the scores of a slide to its own level, once all its tiles are scored; export does the same again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.adaptation.neighbourhood import ROUNDING
from wsi_haloae.adaptation.standpoint import Standpoint
from wsi_haloae.annotations.anchors import anchor_tiles
from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.positions import strides
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import SlideRecord, StoreHeader

MOST_UM = 1000
"""No larger neighbourhood: it would take long, and few lesions would be left."""


def require_adaptable(asked: Asked | None, anchors: Path | None) -> None:
    """Raises `UsageError` for anchors that the mode would ignore, and for *anchors* without any."""
    if anchors is not None and asked in {"none", "slide"}:
        raise UsageError(f"--anchors {anchors} was given, but --adapt {asked} ignores anchors. Leave one of them out.")
    if anchors is None and asked == "anchors":
        raise UsageError(
            "--adapt anchors needs --anchors: a file of annotations with tiles of reference tissue marked."
        )


def marked_tiles(
    anchors: Path, slide: SlideRecord, index: TileIndex, reporter: Reporter | None = None
) -> NDArray[np.int64]:
    """Numbers of the tiles that the file ``anchors`` (or one in this folder) marks as reference tissue.

    ``reporter`` is told what in that file does not count. Raises `AnnotationError` if there is no such file, or if it
    marks none.
    """
    bounds = Bounds(*slide.bounds) if slide.bounds else None
    return anchor_tiles(find_annotations(anchors, Path(slide.name)), bounds, index.location, index.size, reporter)


def require_neighbours(smooth: float | None, header: StoreHeader) -> None:
    """Raises `UsageError` for a radius in µm within which no tile has a neighbour, and for one that is too large."""
    stride = min(strides(header))
    if smooth and not stride <= smooth + ROUNDING <= MOST_UM:
        raise UsageError(
            f"--smooth {smooth:g} was given, but the tiles of {header.slide.name} lie {stride:.4g} µm apart: give that "
            f"many at least, and at most {MOST_UM}; or 0, for scores without neighbours."
        )


@dataclass(frozen=True, eq=False)
class Wish:
    """An adaptation: how, with which marked tiles (their numbers), and smoothed over which radius in µm, if at all."""

    asked: Asked
    marked: NDArray[np.int64]
    radius: float | None


def wished(store: ScoreStore, asked: Asked | None, anchors: Path | None, smooth: float | None) -> Wish | None:
    """What the options come to for a store; None for *none* of a model without descriptors.

    ``anchors`` is the file (or a folder with one) that marks tiles. Neither ``asked`` nor ``anchors``: the same level
    as before, or as *auto* finds it. ``smooth`` is a radius in µm, 0 for none; None: as before. Raises `UsageError` if
    the slide's model has no descriptors, or for a radius without neighbours.
    """
    slide = store.header.slide
    if store.header.descriptor_size is None:
        if asked in {None, "none"} and not smooth:
            return None
        raise UsageError(
            f"{slide.name}: scored by a model without descriptors of tiles, so its scores can be neither adapted nor "
            "smoothed. Train the model again with this version, and score the slide again."
        )
    require_neighbours(smooth, store.header)
    marked = np.empty(0, np.int64) if anchors is None else marked_tiles(anchors, slide, store.index)
    if asked is None and anchors is None and store.adapted is not None:
        before = store.adapted.record
        asked, marked = before.asked, np.array(before.anchors, np.int64)
    return Wish(asked or "auto", marked, store.radius if smooth is None else smooth or None)


def adapt_slide(
    store: ScoreStore, asked: Asked | None, anchors: Path | None, smooth: float | None, reporter: Reporter
) -> Standpoint | None:
    """Adapt the scores in ``store`` as `wished`, and return from where its tiles are seen now.

    None, and nothing is done, for *none* of a model without descriptors. Raises `UsageError` if it cannot be done.
    """
    wish = wished(store, asked, anchors, smooth)
    if wish is None:
        return None
    adapted = store.adapt(wish.asked, wish.marked, wish.radius)
    tell_note(store, adapted.note, reporter)
    return adapted.standpoint


def tell_note(store: ScoreStore, note: str, reporter: Reporter) -> None:
    """Warn if less was done than a user might expect."""
    if note:
        reporter.warn(f"{store.header.slide.name}: {note}")
