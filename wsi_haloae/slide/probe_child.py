"""Opens one slide and reads a pixel of each level; run by `slide.probe` in a process with limits.

    python probe_child.py SLIDE BYTES SECONDS

It ends with 0 if that is possible, and also if OpenSlide refuses the file in its own words. It imports next to nothing
of this package, so that it starts in a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import openslide

from wsi_haloae.bounds.own_process import limit


def touch(path: Path) -> None:
    """Open the slide and decode one pixel in the middle of each level."""
    try:
        with openslide.OpenSlide(path) as slide:
            width, height = slide.dimensions
            for level in range(slide.level_count):
                with contextlib.suppress(openslide.OpenSlideError):  # damage that the reader will report
                    slide.read_region((width // 2, height // 2), level, (1, 1))
    except openslide.OpenSlideError:  # a file that the reader will refuse
        pass


if __name__ == "__main__":
    limit(int(sys.argv[2]), int(sys.argv[3]))
    touch(Path(sys.argv[1]))
