"""What a slide is to the rest of the package: properties, and regions of pixels.

The name of a pixel coordinate says what it counts: ``l0_x`` counts pixels of level 0 from
the slide's top left corner, ``level_x`` counts pixels of the level being read.
Arrays are (y, x, c), uint8, RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import ProfileUse
from wsi_haloae.errors import MissingMppError, UsageError
from wsi_haloae.slide.colour_profile import ColourProfile

MPP_TOLERANCE = 0.02
"""Two pixel sizes that differ by at most this share count as equal (contract, Geometry)."""


@dataclass(frozen=True)
class Bounds:
    """The rectangle of level 0 that holds the scanned area, in pixels of level 0."""

    l0_x: int
    l0_y: int
    width: int
    height: int


@dataclass(frozen=True)
class SlideProperties:
    """Facts about a slide, as its file states them.

    ``mpp_x`` and ``mpp_y`` are micrometres per pixel of level 0, or None if the file
    states none. ``background`` is the colour of transparent pixels. ``fingerprint`` is a hex
    digest that changes when the file's content does (see the adapter for what it covers).
    ``mpp_doubt`` says why the stated pixel size is not believed (`plausible`). ``profile`` is the file's colour
    profile, and ``profile_use`` says whether pixels are converted by it. ``reader`` says in words which library decodes
    the pixels, and why it is OpenSlide if another could: it does not change them.
    """

    name: str
    vendor: str
    level_dimensions: tuple[tuple[int, int], ...]  # (width, height) per level
    level_downsamples: tuple[float, ...]
    mpp_x: float | None
    mpp_y: float | None
    objective_power: float | None
    bounds: Bounds | None
    background: tuple[int, int, int]
    fingerprint: str
    mpp_doubt: str | None = None
    profile: ColourProfile | None = None
    profile_use: ProfileUse = "ignore"
    reader: str = "OpenSlide"

    @property
    def width(self) -> int:
        """Width of level 0 in pixels."""
        return self.level_dimensions[0][0]

    @property
    def height(self) -> int:
        """Height of level 0 in pixels."""
        return self.level_dimensions[0][1]

    @property
    def colours(self) -> str:
        """How the pixels got their colours, in words."""
        if self.profile_use == "ignore":
            return "as stored"
        if self.profile is None:
            return "no colour (ICC) profile in the file: taken as sRGB"
        return f"converted to sRGB by the colour (ICC) profile {self.profile}"

    def known_mpp(self) -> tuple[float, float]:
        """(mpp_x, mpp_y) in micrometres. Raises `MissingMppError`, which names ``--mpp``, if the file states none.

        A pixel size that is not believed counts as none.
        """
        if self.mpp_doubt:
            raise MissingMppError(
                f"{self.name}: the file states {self.mpp_doubt}. So its pixel size is not known, and tiles are cut by "
                "physical size. Ask the lab that scanned the slide and pass it: --mpp 0.25 (typical of 40x) or "
                "--mpp 0.5 (typical of 20x). If the file is right, confirm its value with --override-mpp."
            )
        if self.mpp_x is None or self.mpp_y is None:
            raise MissingMppError(
                f"{self.name}: the file states no pixel size (mpp), and tiles are cut by "
                "physical size. Ask the lab that scanned the slide and pass it: "
                "--mpp 0.25 (typical of 40x) or --mpp 0.5 (typical of 20x)."
            )
        return self.mpp_x, self.mpp_y

    def with_mpp(self, mpp: float | None, *, override: bool = False) -> SlideProperties:
        """These properties with the user's ``--mpp`` filled in if the file states none.

        A value that differs from the file's by more than 2 % raises `UsageError`, unless
        ``override`` says that the file is wrong.
        """
        if mpp is None:
            return self
        if not override and not self.mpp_doubt:
            for axis, stated in (("x", self.mpp_x), ("y", self.mpp_y)):
                if stated is not None and abs(mpp / stated - 1) > MPP_TOLERANCE:
                    raise UsageError(
                        f"{self.name}: the file states mpp-{axis} {stated:.4g}, but --mpp {mpp:.4g} "
                        "was given, which differs by more than 2 %. Leave --mpp out to use the "
                        f"file's value, or pass --override-mpp {mpp:.4g} if the file is wrong."
                    )
            return replace(
                self,
                mpp_x=mpp if self.mpp_x is None else self.mpp_x,
                mpp_y=mpp if self.mpp_y is None else self.mpp_y,
            )
        return replace(self, mpp_x=mpp, mpp_y=mpp, mpp_doubt=None)


class Slide(Protocol):
    """An open slide. One handle belongs to one thread; open another for the next.

    Every implementation passes the conformance tests in ``tests/slide/conformance.py``.
    """

    @property
    def properties(self) -> SlideProperties:
        """Facts about the slide; cheap, read once when it was opened."""
        ...

    def read_region(self, l0_x: int, l0_y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """Pixels of one level as (height, width, 3) RGB.

        The top left corner is given in pixels of level 0, the size in pixels of ``level``.
        Transparent pixels, and pixels outside the slide, are the background colour.
        Raises `RegionReadError` when the region cannot be decoded; the slide stays usable.
        """
        ...

    def close(self) -> None:
        """Release the file. Reading afterwards is an error."""
        ...
