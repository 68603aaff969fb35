"""Opens one slide and reads a pixel of each level; run by `slide.probe` in a process with limits.

    python probe_child.py SLIDE BYTES WORK SECONDS openslide|tifffile

It ends with 0 if that is possible, and also if the library refuses the file in its own words. It imports next to
nothing of this package, so that it starts in a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from wsi_haloae.bounds.own_process import limit


def touch(path: Path) -> None:
    """Open the slide in OpenSlide and decode one pixel in the middle of each level."""
    import openslide  # noqa: PLC0415  # only one of the libraries is needed

    try:
        with openslide.OpenSlide(path) as slide:
            width, height = slide.dimensions
            for level in range(slide.level_count):
                with contextlib.suppress(openslide.OpenSlideError):  # damage that the reader will report
                    slide.read_region((width // 2, height // 2), level, (1, 1))
    except openslide.OpenSlideError:  # a file that the reader will refuse
        pass


def touch_tiff(path: Path) -> None:
    """Open the slide in tifffile and decode the tile in the middle of the first page and of each page inside it."""
    import tifffile  # noqa: PLC0415

    with contextlib.suppress(Exception), tifffile.TiffFile(path) as tiff:  # damage that the reader will report
        first = tiff.pages.first
        for page in (first, *(first.pages or ())):
            middle = len(page.dataoffsets) // 2
            tiff.filehandle.seek(page.dataoffsets[middle])
            data = tiff.filehandle.read(page.databytecounts[middle])
            page.decode(data, middle, jpegtables=page.jpegtables, jpegheader=page.jpegheader)


if __name__ == "__main__":
    limit(*map(int, sys.argv[2:5]))
    {"openslide": touch, "tifffile": touch_tiff}[sys.argv[5]](Path(sys.argv[1]))
