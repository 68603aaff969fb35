"""Labelled slides judged together: whether they may be, and all figures over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.held_out import counted, held_out, left_out
from wsi_haloae.evaluation.judgement import few_groups, judge
from wsi_haloae.evaluation.labelled_slide import LabelledSlide
from wsi_haloae.evaluation.labelled_tiles import LabelledTiles
from wsi_haloae.evaluation.slide_result import PatientFigures, SlideResult
from wsi_haloae.evaluation.tile_labels import BLOCK
from wsi_haloae.progress import with_noun
from wsi_haloae.stores.scored_as import ScoredAs, describe_ways

ENOUGH = 5
"""With at least this many slides or patients, intervals are over them; with fewer, over blocks of tiles."""
SLIDES, PATIENTS = "slides", "patients"


def require_one_way(slides: Sequence[LabelledSlide]) -> list[str]:
    """Raise `UsageError` for slides whose scores are on different scales or grids. Returns warnings."""
    ways = {slide.name: ScoredAs.of(slide.header, slide.radius) for slide in slides}
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


def judge_slides(slides: Sequence[LabelledSlide], reference: Sequence[str]) -> tuple[SlideResult, LabelledTiles]:
    """The figures over all slides and, if the model was trained on some of them, over the others; and all tiles.

    Intervals are over slides if there are at least `ENOUGH`, or else over blocks of tiles. Raises `UsageError` unless
    there are tiles both of ``reference`` classes and of other classes that the model was not trained on.
    """
    judged = [slide for slide in slides if len(slide.tiles.classes)]
    _require_both(judged, slides, reference)
    result, tiles = _judge(judged)
    others = held_out(judged)
    if 0 < len(others) < len(judged) and _missing(others, reference) is None:
        result = replace(result, held_out=_judge(others)[0])
    return replace(result, left_out=left_out(slides)), tiles


def grouped(slides: Sequence[LabelledSlide], *, by_patient: bool = False) -> tuple[list[LabelledTiles], str]:
    """The tiles of each slide in the groups that intervals are over, and what these are called.

    They are patients, if asked for and if there are at least `ENOUGH`; or else slides; or else blocks of tiles.
    """
    if by_patient and len(_units(slides)) >= ENOUGH:
        return [_grouped(slide, slide.patient or slide.name) for slide in slides], PATIENTS
    if len(slides) >= ENOUGH:
        return [_grouped(slide, slide.name) for slide in slides], SLIDES
    return [slide.tiles for slide in slides], f"blocks of {BLOCK} x {BLOCK} tiles"


def too_few(slides: Sequence[LabelledSlide], result: SlideResult) -> Iterator[str]:
    """What to say where slides or patients are too few for intervals over them."""
    judged = [slide for slide in slides if len(slide.tiles.classes)]
    yield from _too_few(judged, result)
    if result.held_out:
        for words in _too_few(held_out(judged), result.held_out):
            yield f"Held-out slides: {words}"


def _too_few(slides: Sequence[LabelledSlide], result: SlideResult) -> Iterator[str]:
    units = _units(slides)
    if len(slides) < ENOUGH:
        yield (
            f"{_are(len(slides), 'slide')} too few for intervals over slides: they are over blocks of tiles, and say "
            "nothing about other patients."
        )
    elif units and len(units) < ENOUGH:
        yield (
            f"{_are(len(units), 'patient')} too few for intervals over patients. Those over slides are too narrow, "
            "because slides of one patient resemble each other."
        )
    elif few := few_groups(result.judgement):
        yield few


def _are(count: int, noun: str) -> str:
    return f"{with_noun(count, noun)} {'is' if count == 1 else 'are'}"


def _require_both(judged: Sequence[LabelledSlide], slides: Sequence[LabelledSlide], reference: Sequence[str]) -> None:
    missing, unjudged = _missing(judged, reference), left_out(slides)
    if missing is None:
        return
    if not unjudged:
        raise UsageError(missing)
    raise UsageError(
        f"{sum(unjudged.values()):,} outlined tiles were left out, because they overlap tiles that training used "
        f"({counted(unjudged)}). Of those that remain: {missing} Score slides of other patients, or "
        "outline tissue that training did not use."
    )


def _missing(slides: Sequence[LabelledSlide], reference: Sequence[str]) -> str | None:
    """Why these slides cannot be judged; None if they have tiles of both kinds."""
    names = {name for slide in slides for name in set(slide.tiles.classes.tolist())}
    if len({kind for slide in slides for kind in set(slide.tiles.anomalous.tolist())}) == 2:
        return None
    return (
        f"--reference {', '.join(reference)} was given; outlined tiles are of class {', '.join(sorted(names)) or '-'}. "
        "Both reference tiles and tiles of another class are needed."
    )


def _judge(slides: Sequence[LabelledSlide]) -> tuple[SlideResult, LabelledTiles]:
    parts, grouped_by = grouped(slides)
    tiles = LabelledTiles.joined(parts)
    selections = [slide.selection for slide in slides if slide.selection]
    overlaps = [slide.overlap for slide in slides if slide.overlap]
    can_call = len(selections) == len(slides)
    judgement = judge(
        tiles,
        grouped_by=grouped_by,
        smallest_p=_smallest_p(slides),
        selection=selections[0] if can_call else None,
        overlap=sum(overlaps[1:], overlaps[0]) if can_call else None,
    )
    result = SlideResult(
        slides=[slide.name for slide in slides],
        unlabelled=sum(slide.unlabelled for slide in slides),
        judgement=judgement,
        by_patient=_by_patient(slides),
        trained_on={slide.name: "not recorded" if slide.use is None else str(slide.use) for slide in slides},
        left_out={},
        adapted=any(slide.adapted for slide in slides),
    )
    return result, tiles


def _by_patient(slides: Sequence[LabelledSlide]) -> PatientFigures | None:
    """None if nothing names a patient, or if there are too few."""
    parts, grouped_by = grouped(slides, by_patient=True)
    if grouped_by != PATIENTS:
        return None
    tiles = LabelledTiles.joined(parts)
    found = judge(tiles, grouped_by=grouped_by, smallest_p=_smallest_p(slides), selection=None)
    return PatientFigures(found.groups, found.rules, found.false_calls)


def _smallest_p(slides: Sequence[LabelledSlide]) -> float | None:
    """The smallest possible p-value, which is that of the model; None without calibration."""
    return min((slide.smallest_p for slide in slides if slide.smallest_p is not None), default=None)


def _units(slides: Sequence[LabelledSlide]) -> set[str]:
    """The patients, and slides whose patient is not named; empty if none is named."""
    return {slide.patient or slide.name for slide in slides} if any(slide.patient for slide in slides) else set()


def _grouped(slide: LabelledSlide, name: str) -> LabelledTiles:
    """The tiles of a slide as one group."""
    return replace(slide.tiles, groups=np.full(len(slide.tiles.groups), name))
