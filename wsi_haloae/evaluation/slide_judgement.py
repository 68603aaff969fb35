"""Labelled slides judged together: whether they may be, and all figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.judgement import judge
from wsi_haloae.evaluation.labelled_slide import LabelledSlide
from wsi_haloae.evaluation.labelled_tiles import LabelledTiles
from wsi_haloae.evaluation.slide_result import SlideResult
from wsi_haloae.evaluation.tile_labels import BLOCK
from wsi_haloae.stores.scored_as import ScoredAs, describe_ways


def require_one_way(slides: Sequence[LabelledSlide]) -> list[str]:
    """Raise `UsageError` for slides whose scores are on different scales or grids. Returns warnings."""
    ways = {slide.name: ScoredAs.of(slide.header) for slide in slides}
    if len(set(ways.values())) > 1:
        first = {way: name for name, way in reversed(ways.items())}.values()
        raise UsageError(
            f"the slides were scored in {len(first)} ways, whose scores must not be mixed: "
            f"{'; '.join(describe_ways(ways))}. Judge those of one way at a time: "
            f"{' or '.join(f'--like {name}' for name in sorted(first))}."
        )
    precisions = {slide.header.compute.dtype for slide in slides}
    if len(precisions) < 2:
        return []
    return [f"Slides were scored in {' and '.join(sorted(precisions))}: the last digits of their scores differ."]


def judge_slides(
    slides: Sequence[LabelledSlide], reference: Sequence[str], *, by_slide: bool
) -> tuple[SlideResult, LabelledTiles]:
    """The figures over all slides, and their tiles; intervals are over slides, or else over blocks of tiles.

    Raises `UsageError` unless there are tiles both of ``reference`` classes and of other classes.
    """
    tiles = LabelledTiles.joined([_by_slide(slide) if by_slide else slide.tiles for slide in slides])
    names = set(tiles.classes.tolist())
    if not names & set(reference) or not names - set(reference):
        raise UsageError(
            f"--reference {', '.join(reference)} was given; outlined tiles are of class "
            f"{', '.join(sorted(names)) or '-'}. Both reference tiles and tiles of another class are needed."
        )
    selections = [slide.selection for slide in slides if slide.selection]
    overlaps = [slide.overlap for slide in slides if slide.overlap]
    can_call = len(selections) == len(slides)
    smallest = [slide.smallest_p for slide in slides if slide.smallest_p is not None]
    judgement = judge(
        tiles,
        grouped_by="slides" if by_slide else f"blocks of {BLOCK} x {BLOCK} tiles",
        smallest_p=min(smallest, default=None),
        selection=selections[0] if can_call else None,
        overlap=sum(overlaps[1:], overlaps[0]) if can_call else None,
    )
    return SlideResult([slide.name for slide in slides], sum(slide.unlabelled for slide in slides), judgement), tiles


def _by_slide(slide: LabelledSlide) -> LabelledTiles:
    return replace(slide.tiles, groups=np.full(len(slide.tiles.groups), slide.name))
