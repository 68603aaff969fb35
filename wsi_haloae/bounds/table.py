"""Every limit on what a file may cost to read, in one table.

A small file can ask for any amount of memory or time: a picture states its size, an archive unpacks, a list refers to
itself. Each reader therefore asks its row here before it pays. Honest files that need more are read once the row's
environment variable is raised. Workers of a cohort run inherit it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wsi_haloae.errors import UsageError, WsiHaloaeError


@dataclass(frozen=True)
class Bound:
    """At most ``default`` of ``unit`` in one of ``files``, unless the environment says otherwise."""

    name: str
    default: int
    unit: str
    files: str

    @property
    def variable(self) -> str:
        """The environment variable that raises this limit, or lowers it."""
        return f"WSI_HALOAE_MOST_{self.name}"

    @property
    def most(self) -> int:
        """The limit in force. Raises `UsageError` for a variable that is not a whole number."""
        text = os.environ.get(self.variable)
        if text is None:
            return self.default
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise UsageError(f"{self.variable}={text}: a whole number is needed, e.g. {self.default}.")
        return int(text)

    def require(self, given: int, place: Path | str, error: type[WsiHaloaeError]) -> None:
        """Raise ``error``, which names ``place``, if a file has more than the limit."""
        if given > self.most:
            raise error(
                f"{place}: {given:,} {self.unit}, but at most {self.most:,} are read, because a small or damaged file "
                f"can ask for any amount. If the file is right and there is memory for it, set {self.variable}={given}."
            )


TIFF_PAGES = Bound("TIFF_PAGES", 10_000, "pages", "slides and images in TIFF")
TIFF_TAG_BYTES = Bound("TIFF_TAG_BYTES", 1 << 28, "bytes of tags", "slides and images in TIFF, all pages together")
SLIDE_TILE_PIXELS = Bound(
    "SLIDE_TILE_PIXELS", 1 << 25, "pixels in one stored tile", "slides in TIFF: each is decoded whole, 4 bytes a pixel"
)
SLIDE_OPEN_BYTES = Bound("SLIDE_OPEN_BYTES", 1 << 30, "bytes of memory to open it", "slides, in a process of its own")
SLIDE_OPEN_SECONDS = Bound("SLIDE_OPEN_SECONDS", 60, "seconds to open it", "slides, in a process of its own")
COLOUR_PROFILE_BYTES = Bound("COLOUR_PROFILE_BYTES", 1 << 22, "bytes of colour (ICC) profile", "slides")
DICOM_HEAD_BYTES = Bound("DICOM_HEAD_BYTES", 1 << 20, "first bytes", "files in DICOM, for the series they belong to")
IMAGE_BYTES = Bound("IMAGE_BYTES", 1 << 28, "bytes", "images and masks of `mvtec`, and folders of tiles")
IMAGE_PIXELS = Bound("IMAGE_PIXELS", 1 << 25, "pixels", "images and masks of `mvtec`, and folders of tiles")
JSON_BYTES = Bound("JSON_BYTES", 1 << 27, "bytes after unpacking", "annotations in JSON")
JSON_VALUES = Bound("JSON_VALUES", 16_000_000, "values", "annotations in JSON; a vertex is three values")
XML_BYTES = Bound("XML_BYTES", 1 << 28, "bytes after unpacking", "annotations in XML")
XML_ELEMENTS = Bound("XML_ELEMENTS", 2_000_000, "elements", "annotations in XML; a vertex is one element")
XML_DEPTH = Bound("XML_DEPTH", 32, "elements inside each other", "annotations in XML")
CROSSINGS = Bound("CROSSINGS", 10_000, "places where an outline crosses itself", "annotations, each polygon")
OVERLAPS = Bound("OVERLAPS", 300_000, "places where outlines cross each other", "annotations, each class")
NESTED_VERTICES = Bound(
    "NESTED_VERTICES", 5_000_000, "vertices of smaller outlines in larger ones", "annotations of different classes"
)
COORDINATES = Bound("COORDINATES", 1 << 22, "tiles", "coordinates of tiles in HDF5")
COORDINATES_BYTES = Bound(
    "COORDINATES_BYTES",
    1 << 31,
    "bytes of memory to read them",
    "coordinates of tiles in HDF5, in a process of its own",
)
COORDINATES_SECONDS = Bound(
    "COORDINATES_SECONDS", 60, "seconds to read them", "coordinates of tiles in HDF5, in a process of its own"
)
MANIFEST_BYTES = Bound("MANIFEST_BYTES", 1 << 29, "bytes", "manifests")
MANIFEST_COLUMNS = Bound("MANIFEST_COLUMNS", 1_000, "columns", "manifests")
MANIFEST_ROWS = Bound("MANIFEST_ROWS", 1_200_000, "rows", "manifests")
CONFIG_BYTES = Bound("CONFIG_BYTES", 1 << 16, "bytes", "configurations in YAML, and values of `--set`")
CONFIG_DEPTH = Bound("CONFIG_DEPTH", 32, "levels inside each other", "configurations in YAML, and values of `--set`")
STORE_DOCUMENT_BYTES = Bound("STORE_DOCUMENT_BYTES", 1 << 22, "bytes in one zarr.json", "stores")
STORE_LENGTH = Bound("STORE_LENGTH", 1 << 22, "entries in an array", "stores; one for each tile")
STORE_CHUNK_BYTES = Bound("STORE_CHUNK_BYTES", 1 << 30, "bytes in one chunk", "stores: a chunk is unpacked whole")

BOUNDS = tuple(value for value in globals().values() if isinstance(value, Bound))
