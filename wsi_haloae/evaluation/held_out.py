"""Which slides a model was not trained on, and what must be said about the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wsi_haloae.evaluation.labelled_slide import LabelledSlide
from wsi_haloae.evaluation.slide_result import SlideResult
from wsi_haloae.provenance.parts import PARTS, Part
from wsi_haloae.stores.scored_as import some


def with_patients(slides: Sequence[LabelledSlide]) -> list[LabelledSlide]:
    """The slides, with what can be concluded about their patients.

    If a slide was used and its patient is named here, then this patient was used, even if training did not name it.
    """
    parts: dict[str, set[Part]] = {}
    for slide in slides:
        if slide.patient and slide.use:
            parts.setdefault(slide.patient, set()).update(slide.use.slide)
    return [_concluded(slide, parts.get(slide.patient, set())) for slide in slides]


def _concluded(slide: LabelledSlide, parts: set[Part]) -> LabelledSlide:
    if slide.use is None or not parts:
        return slide
    both = parts | set(slide.use.patient or ())
    return replace(slide, use=slide.use.model_copy(update={"patient": tuple(part for part in PARTS if part in both)}))


def held_out(slides: Sequence[LabelledSlide]) -> list[LabelledSlide]:
    """The slides of which training used nothing, nor of their patients, as far as that is known."""
    return [slide for slide in slides if slide.use is not None and not slide.use.trained]


def left_out(slides: Sequence[LabelledSlide]) -> Mapping[Part, int]:
    """How many outlined tiles are not judged, by the part that they overlap."""
    total: Counter[Part] = Counter()
    for slide in slides:
        total.update(slide.left_out)
    return {part: total[part] for part in PARTS if total[part]}


def counted(parts: Mapping[Part, int]) -> str:
    """In words: "312 train, 40 validation"."""
    return ", ".join(f"{count:,} {part}" for part, count in parts.items())


def training_warnings(slides: Sequence[LabelledSlide], result: SlideResult) -> Iterator[str]:
    """What keeps the figures over these slides from being those of new patients."""
    if any(slide.use is None for slide in slides):
        yield (
            "The model does not record what it was trained on, so tiles and slides that it was trained on cannot be "
            "left out. Models that this version trains record it."
        )
    unjudged = left_out(slides)
    if unjudged:
        yield (
            f"{sum(unjudged.values()):,} outlined tiles were left out, because they overlap tiles that training used "
            f"({counted(unjudged)})."
        )
    trained = [slide.name for slide in slides if slide.use and slide.use.trained]
    if trained:
        yield (
            f"Training used these slides, or others of their patients: {some(trained)}. Figures over them flatter the "
            f"model. {_about_the_others(slides, result)}"
        )


def _about_the_others(slides: Sequence[LabelledSlide], result: SlideResult) -> str:
    if result.held_out:
        return "Those over held-out slides are given apart."
    if held_out(slides):
        return "Held-out slides lack reference tiles or other ones, so they cannot be judged apart."
    return "No slide is held out."
