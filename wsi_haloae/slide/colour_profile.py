"""The ICC profile of a slide: which colours its numbers mean, and how they become sRGB."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from wsi_haloae.bounds.table import COLOUR_PROFILE_BYTES
from wsi_haloae.errors import SlideError

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
"""White stays white, and colours that sRGB has stay the same; a scanner's "perceptual" is each vendor's own taste."""
LONGEST_NAME = 80
_CONNECTED_BY = frozenset({"XYZ", "Lab"})
_FAILED = (ImageCms.PyCMSError, OSError, ValueError, TypeError)
"""What Pillow raises for a profile that it cannot use."""


@dataclass(frozen=True)
class ColourProfile:
    """The profile in a slide's file, of ``size`` bytes. ``data`` is empty if they are too many, or no profile."""

    size: int
    data: bytes = field(repr=False)

    @cached_property
    def name(self) -> str:
        """Its description of itself, on one line; "" without one."""
        try:
            stated = ImageCms.getProfileDescription(self._opened())
        except _FAILED:
            return ""
        return " ".join(stated.split())[:LONGEST_NAME]

    @cached_property
    def problem(self) -> str | None:
        """Why it cannot be applied; None if it can."""
        try:
            self.to_srgb("")
        except SlideError as error:
            return str(error).removeprefix(": ")
        return None

    def to_srgb(self, place: str) -> ImageCms.ImageCmsTransform:
        """The conversion of RGB with 8 bits to sRGB. Raises `SlideError`, which names ``place``."""
        COLOUR_PROFILE_BYTES.require(self.size, place, SlideError)
        try:
            opened = self._opened()
            space, connection = opened.profile.xcolor_space.strip(), opened.profile.connection_space.strip()
            if space != "RGB" or connection not in _CONNECTED_BY:
                raise SlideError(f"{place}: its colour (ICC) profile is one from {space} to {connection}, not for RGB.")
            transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), "RGB", "RGB", INTENT)
            black, white = np.asarray(transform.apply(Image.fromarray(_BLACK_AND_WHITE)), np.int64).sum(axis=(0, 2))
        except _FAILED as error:
            why = " ".join(str(error).split())
            raise SlideError(f"{place}: its colour (ICC) profile of {self.size:,} bytes is damaged ({why}).") from None
        if white <= black:
            raise SlideError(f"{place}: its colour (ICC) profile is damaged: by it white is no lighter than black.")
        return transform

    def _opened(self) -> ImageCms.ImageCmsProfile:
        if not self.data:
            raise ValueError("no profile can be read")
        return ImageCms.getOpenProfile(BytesIO(self.data))

    def __str__(self) -> str:
        """In words: "'Aperio CS2', 141,992 bytes"."""
        return f"{f'{self.name!r}, ' if self.name else ''}{self.size:,} bytes"


_BLACK_AND_WHITE = np.array([[[0] * 3, [255] * 3]], np.uint8)
