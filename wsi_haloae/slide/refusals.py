"""Why OpenSlide cannot open a file, and what to do about it.

OpenSlide has one sentence for most reasons ("unsupported or missing image file"). The reasons that people meet are told
apart here, by the file itself and by what OpenSlide says.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import tifffile

from wsi_haloae.bounds.pixels import UNREADABLE
from wsi_haloae.bounds.tiff import MAGICS
from wsi_haloae.errors import SlideError

INI_BYTES = 1 << 20
READ_COMPRESSIONS = frozenset({1, 5, 6, 7, 8, 32946, 33003, 33005, 32773, 34925, 34926, 50000})
"""Those of TIFF that OpenSlide decodes."""
_COMPRESSIONS = {
    34712: "JPEG 2000", 50001: "WebP", 34927: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL", 34892: "lossy JPEG of DNG", 34887: "LERC", 34933: "PNG", 22610: "JPEG XR",
    34934: "JPEG XR", 50003: "JPEG of PixTools",
}  # fmt: skip
CONVERT = (
    "Convert it, for example with 'vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --Q 90', or in QuPath "
    "(File > Export images > OME TIFF, with JPEG compression)."
)
AGAIN = "Copy it again from its source, and compare the sizes of both."
_INCOMPLETE = re.compile("short read|premature|unexpected end|end of file|truncated", re.IGNORECASE)
_SCENES = re.compile("dissimilar|inconsistent main image|scene", re.IGNORECASE)
_NOT_THERE = re.compile(r"Couldn't open (?P<file>.+?): No such file")
_COMPRESSION = re.compile(r"compression: (?P<number>\d+)|(?P<name>[\w ]+) compression is not supported", re.IGNORECASE)


def refusal(path: Path, said: str | None) -> SlideError:
    """The error for a file that OpenSlide refused; ``said`` is OpenSlide's reason, None if it knows no such format."""
    reasons = (_companions(path, said), _of_openslide(said), _of_tiff(path), _unknown(said))
    return SlideError(f"{path}: {next(reason for reason in reasons if reason)}")


def _companions(path: Path, said: str | None) -> str | None:
    """A file or folder beside this one that belongs to the slide and is not there."""
    missing = next(_missing_beside(path), None)
    if missing is None and (named := _NOT_THERE.search(said or "")):
        missing = Path(named["file"]).name
    if missing is None:
        return None
    return (
        f"the slide is not complete: {missing} is missing in {path.parent}. A {path.suffix.lstrip('.').upper()} slide "
        "consists of several files. Copy all of them, with the same names, or export the slide as one file, for "
        "example in QuPath."
    )


def _missing_beside(path: Path) -> Iterator[str]:
    suffix, folder = path.suffix.lower(), path.with_suffix("")
    if suffix == ".mrxs":
        if not folder.is_dir():
            yield f"the folder {folder.name}/"
            return
        own = ["Slidedat.ini", *_named_in(folder / "Slidedat.ini", r"FILE_\d+|INDEXFILE")]
        yield from (f"{folder.name}/{name}" for name in own if not (folder / name).exists())
    elif suffix in {".vms", ".vmu"}:
        named = _named_in(path, r"ImageFile(\(.*\))?|MapFile|OptimisationFile|MacroImage")
        yield from (name for name in named if not (path.parent / name).exists())


def _named_in(ini: Path, keys: str) -> list[str]:
    """The values of some keys in a file of lines KEY = VALUE."""
    try:
        with ini.open(encoding="utf-8-sig", errors="replace") as stream:
            lines = stream.read(INI_BYTES).splitlines()
    except OSError:
        return []
    pairs = (line.partition("=") for line in lines)
    values = [value.strip() for key, _, value in pairs if re.fullmatch(keys, key.strip(), re.IGNORECASE)]
    return [value for value in values if value and Path(value).name == value]


def _of_openslide(said: str | None) -> str | None:
    if said is None:
        return None
    if found := _COMPRESSION.search(said):
        return _compressed(found["name"] or _name_of(int(found["number"])))
    if _SCENES.search(said):
        return (
            "its scenes (areas that were scanned) have different resolutions, and OpenSlide opens only slides whose "
            f"scenes are alike ({said}). Save each scene as a slide of its own, for example in QuPath (import the "
            "file, choose a scene, File > Export images > OME TIFF) or with 'bfconvert -series 0 IN OUT.ome.tif'."
        )
    return _incomplete(said) if _INCOMPLETE.search(said) else None


def _of_tiff(path: Path) -> str | None:
    """What is unusual about a TIFF, or about an empty file; None for other files."""
    with path.open("rb") as file:
        head, size = file.read(4), file.seek(0, 2)
    if not size:
        return f"the file is empty. {AGAIN}"
    if head not in MAGICS:
        return None
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds is said below
    try:
        with tifffile.TiffFile(path) as tiff:
            return _of_page(tiff.pages.first, size)
    except UNREADABLE:
        return _incomplete("its table of pages cannot be read")


def _of_page(page: tifffile.TiffPage, size: int) -> str | None:
    end = max((start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    compression = int(page.compression)
    if end > size:
        return _incomplete(f"it refers to byte {end:,}, but has {size:,}")
    if compression not in READ_COMPRESSIONS:
        return _compressed(_name_of(compression))
    if not page.is_tiled:
        return f"this TIFF is stored in strips, not in tiles, so no part of it can be read alone. {CONVERT}"
    return None


def _incomplete(why: str) -> str:
    return f"the file is truncated or damaged: its end is missing ({why}). {AGAIN}"


def _compressed(name: str) -> str:
    return (
        f"the slide is compressed with {name}, which OpenSlide cannot decode; the file itself may be whole. {CONVERT}"
    )


def _name_of(compression: int) -> str:
    return _COMPRESSIONS.get(compression, f"method {compression} of TIFF")


def _unknown(said: str | None) -> str:
    if said is not None:
        return f"the slide is damaged ({said}). Copy it again from its source."
    return (
        "this is not a slide that OpenSlide can open. A whole-slide file is needed: SVS, NDPI, MRXS, SCN, BIF, CZI, "
        "DICOM, or a tiled pyramidal TIFF. QuPath opens and exports many other formats."
    )
