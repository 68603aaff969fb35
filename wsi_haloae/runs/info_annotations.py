"""``wsi-haloae info --annotations``: what a file of annotations holds, what counts, and whether it fits the slide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from wsi_haloae.annotations.classes import NO_CLASS
from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.regions import Annotations
from wsi_haloae.progress import with_noun
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.workspace.slide_inputs import SlideInput

Row = tuple[str, str]


def describe_annotations(
    place: Path, slide: SlideInput | None, objects: Objects, mpp: float | None = None
) -> Iterator[Row]:
    """Yield rows of (fact, value). Areas are in mm² if the slide states its pixel size, or ``mpp`` gives it.

    Raises `AnnotationError` for a file that cannot be used, and `SlideError` for a slide.
    """
    properties = None
    if slide is not None:
        with closing(slide.open()) as opened:
            properties = opened.properties
    file = place if slide is None else find_annotations(place, slide.path)
    annotations = read_annotations(file, properties.bounds if properties else None, objects)
    yield "annotations", str(file)
    yield "format", annotations.program
    yield from _classes(annotations, _mm2(properties, mpp))
    yield from _what_counts(annotations)
    if properties is not None:
        yield "on the slide", _where(annotations, properties)


def _mm2(properties: SlideProperties | None, mpp: float | None) -> float | None:
    """The area of a pixel in mm²."""
    if properties is not None and properties.mpp_x is not None and properties.mpp_y is not None:
        return properties.mpp_x * properties.mpp_y / 1e6
    return None if mpp is None else mpp * mpp / 1e6


def _classes(annotations: Annotations, mm2: float | None) -> Iterator[Row]:
    tally, unit = annotations.read, "px²" if mm2 is None else "mm²"
    for name, region in (annotations.by_class | annotations.containers()).items():
        area = f"{region.area:,.0f} {unit}" if mm2 is None else f"{region.area * mm2:,.4g} {unit}"
        count = (tally.used + tally.containers)[name]
        what = "without a class, not judged" if name == NO_CLASS else name
        yield "class" if name else "no class", f"{what}: {with_noun(count, 'object')}, {area}"
    for name, places in annotations.points.items():
        yield "points", f"{name or 'without a class'}: {len(places):,}"
    if not annotations.by_class:
        yield "class", "none"


def _what_counts(annotations: Annotations) -> Iterator[Row]:
    tally = annotations.tally
    yield "left out", ", ".join(tally.left_out(points_count=True)) or "nothing"
    for words in tally.changed():
        yield "note", words


def _where(annotations: Annotations, properties: SlideProperties) -> str:
    """Whether the outlines and points lie on the slide; if not, what may be the reason."""
    shapes: list[NDArray[np.object_]] = [annotations.drawn]
    shapes += [shapely.points(places) for places in annotations.points.values()]
    everything = np.concatenate(shapes)
    outside = ~shapely.intersects(everything, shapely.box(0, 0, properties.width, properties.height))
    beyond = ~shapely.covered_by(everything, shapely.box(0, 0, properties.width, properties.height)) & ~outside
    told = [f"{outside.sum():,} of {len(everything):,} outlines and points lie outside"] if outside.any() else []
    told += [f"{beyond.sum():,} reach beyond its edge"] if beyond.any() else []
    if not told:
        return "yes, all outlines and points"
    return f"WARNING: {'; '.join(told)}. {_reason(annotations, properties)}"


def _reason(annotations: Annotations, properties: SlideProperties) -> str:
    size = f"The slide has {properties.width:,} x {properties.height:,} pixels"
    if properties.bounds is None:
        return f"{size}. Were they drawn on this slide, and are they in pixels of its finest level?"
    corner = f"({properties.bounds.l0_x:,}, {properties.bounds.l0_y:,})"
    if annotations.program == "QuPath GeoJSON":
        return (
            f"{size}. Its bounds begin at {corner}, which was added, as QuPath counts from there: is the file QuPath's?"
        )
    return f"{size}. Its bounds begin at {corner}, which was not added: {annotations.program} counts from the corner."
