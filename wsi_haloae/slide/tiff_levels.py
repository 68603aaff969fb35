"""The levels of a TIFF that keeps them inside its first page (SubIFDs), as OME-TIFF does, and its pixel size.

OpenSlide sees only the first level of such files, and no pixel size in OME-XML.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from wsi_haloae.bounds.pixels import UNREADABLE
from wsi_haloae.bounds.table import COLOUR_PROFILE_BYTES, SLIDE_TILE_PIXELS
from wsi_haloae.bounds.tiff import read_pages
from wsi_haloae.errors import SlideError
from wsi_haloae.slide.colour_profile import ColourProfile
from wsi_haloae.slide.ome_xml import MARK, ome_pixel_size

_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""In a unit of resolution: inch and centimetre."""
_RGB_OR_GREY = (1, 3, 4)


def has_own_levels(path: Path) -> bool:
    """Whether the file is an OME-TIFF, or a TIFF with pages inside its first page. False if it cannot be read."""
    try:
        with path.open("rb") as file:
            pages = read_pages(file, path, SlideError)
    except (OSError, ValueError):  # told by the reader that gets it
        return False
    return bool(pages) and (pages[0].sub_pages > 0 or MARK in pages[0].description)


def levels_of(path: Path, tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The first page and those inside it, each smaller than the one before. Raises `SlideError` for other pixels."""
    first = tiff.pages.first
    levels = [first]
    for page in first.pages or ():
        if isinstance(page, tifffile.TiffPage) and page.imagewidth < levels[-1].imagewidth and _alike(page, first):
            levels.append(page)
    for page in levels:
        _require_colours(path, page)
        SLIDE_TILE_PIXELS.require(int(np.prod(page.chunks[:2])), path, SlideError)
    return levels


def pixel_size(page: tifffile.TiffPage) -> tuple[float | None, float | None]:
    """(mpp_x, mpp_y) of a page: what its OME-XML states, else its tags."""
    text = page.description or ""
    stated = ome_pixel_size(text, page.imagewidth, page.imagelength) if MARK.decode() in text else (None, None)
    return stated if None not in stated else (_of_tag(page, "XResolution"), _of_tag(page, "YResolution"))


def colour_profile(page: tifffile.TiffPage) -> ColourProfile | None:
    """The ICC profile of a page."""
    tag = page.tags.get("InterColorProfile")
    if tag is None:
        return None
    try:
        value = tag.value if tag.count <= COLOUR_PROFILE_BYTES.most else None
        return ColourProfile(tag.count, bytes(value) if isinstance(value, bytes | tuple) else b"")
    except UNREADABLE:  # it lies beyond the end of the file, or consists of other values than bytes
        return ColourProfile(tag.count, b"")


def _of_tag(page: tifffile.TiffPage, name: str) -> float | None:
    unit = _MICROMETRES.get(int(page.tags.valueof("ResolutionUnit", 1)))
    above, below = page.tags.valueof(name, (0, 0))
    return unit * below / above if unit and above and below else None


def _alike(page: tifffile.TiffPage, first: tifffile.TiffPage) -> bool:
    same_shape = abs(page.imagelength * first.imagewidth - first.imagelength * page.imagewidth) <= 2 * first.imagewidth
    return same_shape and page.samplesperpixel == first.samplesperpixel and page.dtype == first.dtype


def _require_colours(path: Path, page: tifffile.TiffPage) -> None:
    if page.dtype == np.uint8 and page.samplesperpixel in _RGB_OR_GREY and page.axes in {"YX", "YXS"}:
        return
    raise SlideError(
        f"{path}: RGB with 8 bits in a colour, one after the other, is needed; this TIFF has {page.samplesperpixel} "
        f"channels of {page.bitspersample} bits ({page.axes}). If it is a brightfield slide, export it as RGB, for "
        "example in QuPath (File > Export images > OME TIFF). Fluorescence cannot be scored."
    )
