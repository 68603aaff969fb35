"""Finds the annotations of a slide in a folder."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.errors import AnnotationError

SUFFIXES = (".geojson", ".geojson.gz", ".json", ".json.gz", ".xml", ".xml.gz")


def find_annotations(place: Path, slide: Path) -> Path:
    """``place`` itself if it is a file, otherwise the file in that folder that is named like the slide.

    Raises `AnnotationError` if there is none, or if there are several.
    """
    if not place.is_dir():
        return place
    found = [path for suffix in SUFFIXES if (path := place / f"{slide.stem}{suffix}").is_file()]
    if len(found) > 1:
        raise AnnotationError(
            f"{place}: several files may hold the annotations of {slide.name}: "
            f"{', '.join(path.name for path in found)}. Move all but one elsewhere, or name the file itself."
        )
    if not found:
        raise AnnotationError(
            f"{place}: no {slide.stem}.geojson in this folder for the slide {slide.name} (nor .json or .xml)."
        )
    return found[0]
