"""A slide whose outlined tissue is to be learned: first what is cheap to check, then its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.regions import told_classes
from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import AnnotationError, SlideError, UsageError
from wsi_haloae.pages import percent
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Slide
from wsi_haloae.tiles.chosen import ChosenTiles, choose_tiles, no_tissue
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.workspace.slide_inputs import SlideInput


@dataclass(frozen=True)
class Outlines:
    """Where a slide's outlines are (a file, or a folder with one for each slide), and the class that is wanted."""

    place: Path
    class_name: str
    objects: Objects
    min_coverage: float


@dataclass(frozen=True, eq=False)
class OutlinedSlide:
    """A slide that can be opened, with a pixel size and a region of the wanted class."""

    source: SlideInput
    outlines: Outlines
    tiling: Tiling
    region: BaseGeometry  # in pixels of level 0

    @classmethod
    def check(
        cls, source: SlideInput, outlines: Outlines, settings: TilingSettings, tissue: TissueConfig, reporter: Reporter
    ) -> OutlinedSlide:
        """Open the slide and its annotations, but look for no tissue yet, which takes seconds.

        Raises `SlideError`, `AnnotationError` or `UsageError`.
        """
        with closing(_opened(source)) as slide:
            tiling = Tiling.of(slide.properties, settings, tissue)
            path = find_annotations(outlines.place, source.path)
            annotations = read_annotations(path, slide.properties.bounds, outlines.objects)
        region = annotations.region(outlines.class_name)
        annotations.tell(reporter)
        if note := annotations.class_note(outlines.class_name):
            reporter.line(note)
        return cls(source, outlines, tiling, region)

    def choose(self, reporter: Reporter) -> ChosenTiles:
        """The tiles in the region; `AnnotationError` if there are none."""
        least = self.outlines.min_coverage
        with closing(self.source.open()) as slide:
            chosen = choose_tiles(slide, self.tiling, reporter, self.region, min_coverage=least)
        if chosen.mask.why_empty:
            raise AnnotationError(f"{self.source.path}: {no_tissue(chosen.mask.why_empty)}")
        if not len(chosen.index):
            raise AnnotationError(
                f"{self.source.path}: no tile has tissue and {percent(least)} of its area in class "
                f"{self.outlines.class_name!r}. Check that the annotations belong to this slide, or lower "
                "--min-coverage."
            )
        return chosen


def _opened(source: SlideInput) -> Slide:
    """The slide. Where `score` would go on with the others, training stops: a user decides what a model is made of."""
    try:
        return source.open()
    except SlideError as error:
        way = "To train on other slides without it, name those alone, or move this file to another folder."
        raise type(error)(f"{error} {way}") from None


def missing_class(slides: Sequence[tuple[Path, Path]], objects: Objects) -> UsageError:
    """The error for annotations without a class; ``slides`` are the slides, each with its annotations."""
    found = {find_annotations(place, slide) for slide, place in slides}
    names = {name for path in found for name in read_annotations(path, None, objects).class_names}
    return UsageError(
        f"{slides[0][1]}: which class of these annotations is to be learned? Pass --class NAME. "
        f"Classes: {told_classes(names)}."
    )
