"""A whole slide in a folder that is read as one of tiles: the two cannot be told apart by their names."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from wsi_haloae.bounds.table import IMAGE_PIXELS
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.slide.readers import is_slide_name, open_slide


def slide_among(files: Sequence[Path]) -> Path | None:
    """The largest of the files with a slide's name, if it is a slide. Only that one is opened: it takes 0.1 s."""
    local = (file for file in files if isinstance(file, Path))  # OpenSlide reads no URL
    named = [file for file in local if is_slide_name(file) and file.is_file()]
    largest = max(named, key=lambda file: file.stat().st_size, default=None)
    return largest if largest and _is_slide(largest) else None


def _is_slide(file: Path) -> bool:
    """Whether it has levels, or more pixels than an image may have. A tile may be a tiled TIFF, too."""
    try:
        with closing(open_slide(file)) as slide:
            found = slide.properties
            return len(found.level_dimensions) > 1 or found.width * found.height > IMAGE_PIXELS.default
    except (WsiHaloaeError, OSError):
        return False
