"""Adapts the scores of a slide to its own level, once all its tiles are scored; export does the same again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.annotations.anchors import anchor_tiles
from wsi_haloae.annotations.geojson import find_annotations
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.adaptation import AdaptedScores
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import SlideRecord, TileIndex


def require_adaptable(asked: Asked | None, anchors: Path | None) -> None:
    """Raises `UsageError` for anchors that the mode would ignore, and for *anchors* without any."""
    if anchors is not None and asked in {"none", "slide"}:
        raise UsageError(f"--anchors {anchors} was given, but --adapt {asked} ignores anchors. Leave one of them out.")
    if anchors is None and asked == "anchors":
        raise UsageError("--adapt anchors needs --anchors: a GeoJSON file with tiles of reference tissue marked.")


def marked_tiles(anchors: Path, slide: SlideRecord, index: TileIndex) -> NDArray[np.int64]:
    """Numbers of the tiles that the file ``anchors`` (or one in this folder) marks as reference tissue.

    Raises `AnnotationError` if there is no such file, or if it marks none.
    """
    bounds = Bounds(*slide.bounds) if slide.bounds else None
    return anchor_tiles(find_annotations(anchors, Path(slide.name)), bounds, index.location, index.size)


def adapt_slide(store: ScoreStore, asked: Asked, anchors: Path | None, reporter: Reporter) -> None:
    """Adapt the scores in ``store``, with the tiles that the file ``anchors`` (or one in this folder) marks.

    Raises `UsageError` if the slide's model has no descriptors, or if it cannot be adapted in this way.
    """
    marked = None if anchors is None else marked_tiles(anchors, store.header.slide, store.index)
    adapted = adapted_anew(store, asked, marked)
    if adapted is not None:
        store.keep(adapted)
        tell_note(store, adapted, reporter)


def adapted_anew(store: ScoreStore, asked: Asked, marked: NDArray[np.int64] | None) -> AdaptedScores | None:
    """The scores adapted to the slide, with ``marked`` tiles; nothing is written. None if there is nothing to adapt.

    Raises like `adapt_slide`.
    """
    if store.header.descriptor_size is None:
        if asked == "none":
            return None
        raise UsageError(
            f"{store.header.slide.name}: scored by a model without descriptors of tiles, so its scores cannot be "
            "adapted. Train the model again with this version, and score the slide again."
        )
    return store.adaptation(asked, marked)


def tell_note(store: ScoreStore, adapted: AdaptedScores, reporter: Reporter) -> None:
    """Warn if less was done than a user might expect."""
    if adapted.record.note:
        reporter.warn(f"{store.header.slide.name}: {adapted.record.note}")
