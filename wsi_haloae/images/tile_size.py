"""The size that tiles stored as image files share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi_haloae.bounds.pixels import UNREADABLE, open_image
from wsi_haloae.errors import UsageError


def common_tile_size(files: Sequence[Path]) -> int:
    """Side in pixels of the images; ``files`` must not be empty.

    Only headers are read. Raises `UsageError` for the first file that is not an image, not
    square, or not of the same size as the first one.
    """
    first = _image_size(files[0])
    for file in files:
        size = _image_size(file)
        if size != first or size[0] != size[1]:
            other = "" if size == first else f" ({files[0].name} has {first[0]} x {first[1]})"
            raise UsageError(
                f"{file}: {size[0]} x {size[1]} pixels, but tiles must be squares of one size{other}. "
                "Nothing is resized silently: cut the images to that size, or move this one elsewhere."
            )
    return first[0]


def _image_size(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file, open_image(file, path, UsageError) as image:
            return image.size
    except UNREADABLE as error:
        raise UsageError(f"{path}: cannot be read as an image ({error}).") from None
