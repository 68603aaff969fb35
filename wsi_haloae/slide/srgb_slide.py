"""A slide whose pixels are converted to sRGB by its own colour profile: two scanners' colours become comparable.

Whoever opens a slide so sees converted pixels everywhere: tiles, thumbnail, and colours of the background.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.errors import SlideError
from wsi_haloae.slide.properties import Slide, SlideProperties

Pixels = NDArray[np.uint8]


class SrgbSlide:
    """A `Slide` in sRGB, on another whose pixels are as stored. One without a profile is taken as sRGB.

    Raises `SlideError` if the profile cannot be applied. Belongs to one thread: the conversion is its own.
    """

    def __init__(self, slide: Slide) -> None:
        self._slide, stored = slide, slide.properties
        try:
            self._transform = None if stored.profile is None else stored.profile.to_srgb(stored.name)
        except SlideError as error:
            raise SlideError(
                f"{error} So --colour-profile apply is not possible for this slide: export it again with a profile "
                "for RGB, or without one. Or take the pixels of all slides as stored, in training and scoring: "
                "--colour-profile ignore."
            ) from None
        red, green, blue = self._converted(np.array([[stored.background]], np.uint8))[0, 0].tolist()
        self._properties = replace(stored, background=(red, green, blue), profile_use="apply")

    @property
    def properties(self) -> SlideProperties:
        """Those of the slide, with its background in sRGB."""
        return self._properties

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> Pixels:
        """Pixels of one level as (height, width, 3) sRGB; see `Slide.read_region`."""
        return self._converted(self._slide.read_region(l0_x, l0_y, level, width, height))

    def close(self) -> None:
        """Release the file. Closing twice does nothing."""
        self._slide.close()

    def _converted(self, pixels: Pixels) -> Pixels:
        if self._transform is None:
            return pixels
        return np.array(self._transform.apply(Image.fromarray(pixels)))
