"""What the names given as ``--reference`` mean in the annotations of the judged slides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wsi_haloae.annotations.classes import derived_from, meant_by
from wsi_haloae.annotations.tally import Tally
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.labelled_slide import LabelledSlide
from wsi_haloae.nearest import nearest


def understood(reference: Sequence[str], slides: Sequence[LabelledSlide]) -> Iterator[str]:
    """How names were understood that are not simply those of classes, and what of the annotations does not count.

    Raises `UsageError` for a name that means no class on any slide: it would be ignored without a word.
    """
    known = sorted({name for slide in slides for name in slide.known})
    for name in reference:
        found, derived = meant_by(name, known), derived_from(name, known)
        if not found:
            close = nearest(name, known)
            hint = f"; did you mean {close!r}?" if close else "."
            raise UsageError(f"--reference {name}: no annotation has this class{hint} Classes: {', '.join(known)}.")
        others = sorted(set(derived) - {each for given in reference for each in meant_by(given, known)})
        if found == derived:
            yield f"--reference {name} means the classes derived from it: {', '.join(derived)}."
        elif others:
            yield f"--reference {name} means this class alone: {', '.join(others)} count as anomalous."
    line = sum((slide.tally for slide in slides), Tally()).line()
    if line:
        yield f"Annotations: {line}."
