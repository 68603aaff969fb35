"""The table of slide readers, and `open_slide`, which picks one. To add a reader, write a module and add a row here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from wsi_haloae.config import ProfileUse
from wsi_haloae.errors import SlideError
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.srgb_slide import SrgbSlide


class _Opener(Protocol):
    def __call__(self, path: Path, *, mpp: float | None, override_mpp: bool) -> Slide: ...


@dataclass(frozen=True)
class SlideReader:
    """A reader for files with certain suffixes.

    ``opener`` is ``module:function``, imported on first use. The function takes the path and, by name, ``mpp`` and
    ``override_mpp``, and returns an open `Slide` whose properties went through `SlideProperties.with_mpp`. It raises
    `SlideError` for a file that it cannot open. ``suffixes`` are lower case, with their dot. ``claims``, another
    ``module:function``, says of a path whether this reader opens it; None: it opens all files with its suffixes.
    """

    name: str
    suffixes: frozenset[str]
    opener: str
    claims: str | None = None

    def opens(self, path: Path) -> bool:
        """Whether this reader opens the file in ``path``."""
        if path.suffix.lower() not in self.suffixes:
            return False
        return self.claims is None or (path.is_file() and bool(_named(self.claims)(path)))  # a pipe would block

    def open(self, path: Path, *, mpp: float | None, override_mpp: bool) -> Slide:
        """The slide in ``path``."""
        opener = cast("_Opener", _named(self.opener))
        return opener(path, mpp=mpp, override_mpp=override_mpp)


def _named(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), function))


READERS: Sequence[SlideReader] = (
    SlideReader(
        "OME-TIFF, and TIFF with its levels inside the first page",
        frozenset({".tif", ".tiff"}),
        "wsi_haloae.slide.tiff_slide:open_tiff",
        "wsi_haloae.slide.tiff_levels:has_own_levels",
    ),
    SlideReader(
        "OpenSlide",
        frozenset(
            {".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".dcm", ".czi"}
        ),
        "wsi_haloae.slide.tiled_slide:open_tiled",
    ),
)
"""The first reader that opens a file is taken; the last one is also used for every other suffix."""


def open_slide(
    path: Path, *, mpp: float | None = None, override_mpp: bool = False, colour_profile: ProfileUse = "ignore"
) -> Slide:
    """Open the slide in ``path``; ``mpp`` (µm per pixel) fills in a pixel size that the file does not state.

    With ``colour_profile`` *apply* its pixels are converted to sRGB (`SrgbSlide`).

    Raises `SlideError` for a file that cannot be opened or converted, and `UsageError` for an ``mpp`` that contradicts
    the file's, unless ``override_mpp`` is set (see `SlideProperties.with_mpp`).
    """
    reader = next((reader for reader in READERS if reader.opens(path)), READERS[-1])
    slide = reader.open(path, mpp=mpp, override_mpp=override_mpp)
    if colour_profile == "ignore":
        return slide
    try:
        return SrgbSlide(slide)
    except SlideError:
        slide.close()
        raise


def slide_suffixes() -> frozenset[str]:
    """All suffixes that readers list."""
    return frozenset[str]().union(*(reader.suffixes for reader in READERS))


def is_slide_name(path: Path) -> bool:
    """Whether a reader lists the suffix of ``path``. This is how slides are found in a folder."""
    return path.suffix.lower() in slide_suffixes()
