"""Whether a file of outlines may be another slide's, by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wsi_haloae.annotations.finding import SUFFIXES
from wsi_haloae.evaluation.labelled_slide import Outlines
from wsi_haloae.stores.scored_as import some


def named_otherwise(outlines: Outlines, slides: Sequence[str]) -> Iterator[str]:
    """A note if the files ``slides`` are judged by outlines in one file that is named otherwise.

    A name may say more than that of its slide: 7_by_me.geojson is of 7.svs, unless there is a 7_by_me.svs, too.
    """
    file = outlines.annotations
    if file.is_dir():
        return  # it has a file for each slide, of its name
    own = [slide for slide in slides if Path(slide).stem == _bare(file)]
    others = [slide for slide in slides if slide not in (own or [one for one in slides if _fits(file, one)])]
    if others:
        use = f"has the name of the slide {own[0]} and is also used for" if own else "has another name than"
        yield f"{file.name} {use} {some(others)}: make sure that it was drawn there."


def _fits(file: Path, slide: str) -> bool:
    """Whether one of the names begins with the other, and goes on with neither a letter nor a digit."""
    shorter, longer = sorted((_bare(file), Path(slide).stem), key=len)
    return longer.startswith(shorter) and not longer[len(shorter) :][:1].isalnum()


def _bare(file: Path) -> str:
    """A file's name without the suffixes of annotations."""
    return next((file.name.removesuffix(suffix) for suffix in SUFFIXES if file.name.endswith(suffix)), file.stem)
