"""What must be said about two scorings beside their figures: what they are, and what keeps a figure from being fair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from wsi_haloae.evaluation.agreement import SIDES
from wsi_haloae.evaluation.judgement import ENOUGH_GROUPS
from wsi_haloae.evaluation.paired_auroc import Pair, PairedAuroc
from wsi_haloae.evaluation.paired_slide import PairedSlide
from wsi_haloae.evaluation.slide_judgement import ENOUGH, PATIENTS, SLIDES
from wsi_haloae.progress import with_noun
from wsi_haloae.stores.scored_as import some
from wsi_haloae.stores.scored_tiles import ScoredTiles

_MODES = {"none": "scores not adapted", "slide": "adapted to the slide", "anchors": "adapted to marked tiles"}


def side_words(slides: Sequence[PairedSlide], side: int) -> str:
    """How one side was scored, and how its scores were adapted, for people."""
    modes = Counter(_MODES["none" if one.adapted is None else one.adapted.mode] for one in _scored(slides, side))
    several = len(modes) > 1
    counts = [f"{words} ({with_noun(count, 'slide')})" if several else words for words, count in modes.most_common()]
    return f"{slides[0].ways[side]}; {', '.join(counts)}"


def scoring_notes(slides: Sequence[PairedSlide]) -> Iterator[str]:
    """About scores and calls."""
    if all(np.array_equal(*slide.scores) for slide in slides):
        yield "All scores are the same in both folders."
    if missing := sum(int((~slide.both).sum()) for slide in slides):
        yield f"{missing:,} tiles that have no score in one of the folders are left out."
    for side, name in enumerate(SIDES):
        for reason in sorted({one.why_none for one in _scored(slides, side) if one.why_none}):
            yield f"Calls are not compared. The {name}: {reason}"
    criteria = [sorted({one.selection.phrase for one in _scored(slides, side) if one.selection}) for side in range(2)]
    if all(criteria) and criteria[0] != criteria[1]:
        first, second = ("; ".join(words) for words in criteria)
        yield f"Tiles are called differently. First: {first}; second: {second}."


def training_notes(pairs: Sequence[Pair]) -> Iterator[str]:
    """About tiles and slides that a training knows, which an AUROC would flatter."""
    left_out = sum(int((one.judged ^ other.judged).sum()) for one, other in pairs)
    if left_out:
        yield (
            f"{left_out:,} outlined tiles are not judged, because only one of the models may be judged on them: the "
            "other was trained on them, or they are marked or have no score there."
        )
    for side, name in enumerate(SIDES):
        known = [pair[side] for pair in pairs]
        trained = [one.name for one in known if one.use and one.use.trained]
        if trained:
            yield (
                f"Training of the {name} used these slides, or others of their patients: {some(trained)}. Its AUROC "
                "is flattered."
            )
        if any(one.use is None for one in known):
            yield f"The model of the {name} does not record what it was trained on; tiles that it knows are judged too."


def interval_notes(found: PairedAuroc) -> Iterator[str]:
    """About the groups that the intervals are over."""
    if found.grouped_by not in {SLIDES, PATIENTS}:
        yield (
            f"Fewer than {ENOUGH} slides are too few for intervals over slides: they are over blocks of tiles, and say "
            "nothing about other patients."
        )
    elif found.groups < ENOUGH_GROUPS:
        yield f"Intervals over {found.groups} {found.grouped_by} are too narrow; with {ENOUGH_GROUPS} they hold better."


def _scored(slides: Sequence[PairedSlide], side: int) -> list[ScoredTiles]:
    return [slide.second if side else slide.first for slide in slides]
