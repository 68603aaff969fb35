"""Slides that OpenSlide can open. The only module that imports openslide.

OpenSlide *latches* errors: after one region failed to decode, a handle answers every later
call with the same error, so one bad JPEG would cost the rest of the slide. `OpenSlideSlide`
therefore opens a new handle for the next read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image, ImageCms

from wsi_haloae.bounds.table import COLOUR_PROFILE_BYTES
from wsi_haloae.errors import RegionReadError, SlideError
from wsi_haloae.slide.colour_profile import ColourProfile
from wsi_haloae.slide.plausible import doubt_about
from wsi_haloae.slide.probe import require_harmless
from wsi_haloae.slide.properties import Bounds, SlideProperties
from wsi_haloae.slide.refusals import refusal
from wsi_haloae.slide.slide_file import fingerprint, readable

WHITE = (255, 255, 255)
OPAQUE = 0xFF000000
ICC_SIZE = "openslide.icc-size"


def library_version() -> str:
    """The versions of OpenSlide and of its binding to Python."""
    return f"{openslide.__library_version__}, openslide-python {openslide.__version__}"


def open_with_openslide(path: Path, *, mpp: float | None = None, override_mpp: bool = False) -> OpenSlideSlide:
    """The slide in ``path``, with ``mpp`` filled in if the file states no pixel size.

    Raises `SlideError` for a file that cannot be opened, `UsageError` for an ``mpp`` that
    contradicts the file's (see `SlideProperties.with_mpp`).
    """
    with readable(path) as file:
        require_harmless(path)
        handle = _open_handle(path)
        quickhash = handle.properties.get(openslide.PROPERTY_NAME_QUICKHASH1, "")
        digest = fingerprint(file, quickhash, handle.level_dimensions)
    properties = _read_properties(path.name, handle, digest).with_mpp(mpp, override=override_mpp)
    return OpenSlideSlide(path, handle, properties)


class OpenSlideSlide:
    """A `Slide` on an OpenSlide handle; made by `open_with_openslide`. Belongs to one thread."""

    def __init__(self, path: Path, handle: openslide.OpenSlide, properties: SlideProperties) -> None:
        self._path = path
        self._handle = handle
        self._properties = properties
        self._size = path.stat().st_size
        self._closed = False
        self._spoilt = False
        """Whether the handle has failed, and gives the same error to every later call."""

    @property
    def properties(self) -> SlideProperties:
        """Facts about the slide, read once when it was opened.

        ``fingerprint`` is SHA-256 over the file's size, its first and last MiB, OpenSlide's
        quickhash-1 (which covers the smallest level and the headers, in all files of a
        slide) and the size of every level. It does not cover the path, the time, or every pixel.
        """
        return self._properties

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """Pixels of one level as (height, width, 3) RGB; see `Slide.read_region`.

        A region that fails is tried once more on a new handle, since the error may come from an
        earlier read. If it fails again, `RegionReadError` is raised.
        """
        if self._closed:
            raise ValueError(f"{self._properties.name}: the slide is closed")
        # For an unknown level OpenSlide returns transparent pixels, which would be taken for glass.
        assert 0 <= level < len(self._properties.level_dimensions)
        was_spoilt = self._spoilt
        try:
            region = self._read(l0_x, l0_y, level, width, height)
        except openslide.OpenSlideError as error:
            self._require_same_file()
            if was_spoilt:  # it was read by a new handle
                raise self._unreadable(l0_x, l0_y, level, width, height, error) from error
            region = self._read_again(l0_x, l0_y, level, width, height)
        return _composite(region, self._properties.background)

    def close(self) -> None:
        """Release the file. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._handle.close()

    def _read(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> Image.Image:
        if self._spoilt:
            self._replace_handle()
        self._spoilt = True
        region = self._handle.read_region((l0_x, l0_y), level, (width, height))
        self._spoilt = False
        return region

    def _read_again(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> Image.Image:
        try:
            return self._read(l0_x, l0_y, level, width, height)
        except openslide.OpenSlideError as error:
            raise self._unreadable(l0_x, l0_y, level, width, height, error) from error

    def _unreadable(
        self, l0_x: int, l0_y: int, level: int, width: int, height: int, error: openslide.OpenSlideError
    ) -> RegionReadError:
        return RegionReadError(
            f"{self._properties.name}: the region at level-0 location ({l0_x}, {l0_y}), level {level}, "
            f"{width} x {height} pixels cannot be decoded ({error}). The rest of the slide stays readable."
        )

    def _require_same_file(self) -> None:
        """A damaged tile stays damaged, but a missing file may come back: its tiles must not count as unreadable."""
        try:
            size = self._path.stat().st_size
        except OSError as error:
            raise SlideError(f"{self._path}: the slide can no longer be reached ({error.strerror}).") from None
        if size != self._size:
            raise SlideError(f"{self._path}: the slide changed while it was being read ({self._size} -> {size} bytes).")

    def _replace_handle(self) -> None:
        fresh = openslide.OpenSlide(self._path)
        self._handle.close()
        self._handle = fresh


def _open_handle(path: Path) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        raise refusal(path, None) from None
    except openslide.OpenSlideError as error:
        raise refusal(path, str(error)) from None


def _read_properties(name: str, handle: openslide.OpenSlide, fingerprint: str) -> SlideProperties:
    stated = handle.properties
    mpp_x, mpp_y = (
        _positive(stated.get(key)) for key in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
    )
    return SlideProperties(
        name=name,
        vendor=stated.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
        level_dimensions=tuple(handle.level_dimensions),
        level_downsamples=tuple(handle.level_downsamples),
        mpp_x=mpp_x,
        mpp_y=mpp_y,
        objective_power=_positive(stated.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
        bounds=_bounds(stated),
        background=_background(stated.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR)),
        fingerprint=fingerprint,
        mpp_doubt=doubt_about(mpp_x, mpp_y),
        profile=_profile(handle),
    )


def _profile(handle: openslide.OpenSlide) -> ColourProfile | None:
    size = int(handle.properties.get(ICC_SIZE, 0))
    if not size:
        return None
    if size > COLOUR_PROFILE_BYTES.most:
        return ColourProfile(size, b"")
    try:
        profile = handle.color_profile
        return ColourProfile(size, b"" if profile is None else profile.tobytes())
    except (ImageCms.PyCMSError, OSError):
        return ColourProfile(size, b"")


def _positive(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _bounds(stated: Mapping[str, str]) -> Bounds | None:
    keys = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    if not all(key in stated for key in keys):
        return None
    l0_x, l0_y, width, height = (int(stated[key]) for key in keys)
    return Bounds(l0_x, l0_y, width, height)


def _background(text: str | None) -> tuple[int, int, int]:
    if text is None or re.fullmatch("[0-9a-fA-F]{6}", text) is None:
        return WHITE
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def _composite(region: Image.Image, background: tuple[int, int, int]) -> NDArray[np.uint8]:
    # Four bytes of a pixel as one number, alpha in the highest: most regions have no hole, and this is the hot path.
    if np.asarray(region).view("<u4").min() >= OPAQUE:
        return np.array(region.convert("RGB"))
    # openslide-python has divided by alpha already; convert("RGB") would make holes black.
    canvas = Image.new("RGB", region.size, background)
    canvas.paste(region, mask=region.getchannel("A"))
    return np.array(canvas)
