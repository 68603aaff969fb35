"""What lies around the tissue: light glass, dark padding that no scanner has seen, or a dark background.

Converters fill what was not scanned with black or dark grey. Such *padding* is flat and neutral, and often touches
tissue. On a fluorescence slide, or an inverted picture, the background itself is flat and dark: there is no glass to
measure stains against, and nothing in this package was made for such slides.

Padding and a dark background look alike, except for two things. Beside padding there is light glass, or, where tissue
fills the scan, a straight border.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wsi_haloae.tissue.channels import average, greatest, least
from wsi_haloae.tissue.discs import dilated

Mask = NDArray[np.bool_]

FLAT = 8
"""Largest difference of brightness within 3 x 3 pixels of a flat area; noise and compression stay below it."""
CONSTANT, MOSTLY = 2, 0.75
"""The same for a fill inside the slide, where a flat black area may also be ink."""
NEUTRAL = 22
"""Largest difference between the channels of what is grey, as in `glass`."""
LIGHT, DARK = 190, 100
"""Darkest channel of glass; brightest channel of what is dark, whatever its colour."""
BRIGHTEST_PADDING = 140
SMALLEST_PADDING = 0.001
"""Share of the picture."""
TOUCHES = 0.2
"""Padding lies along at least this share of a side of the picture; a stroke of ink crosses the side."""
RUN = 16
"""Pixels. A border is straight if most of it consists of rows or columns at least so long."""
STRAIGHT = 0.9
MARGIN = 2.0
"""Pixels. At the border of padding, pixels of the thumbnail are mixtures."""
GLASS_SEEN, GROUND_SEEN = 0.01, 0.25
"""Shares of what is not padding: less light glass is none; so much that is flat and dark is a dark background."""
DARKEST_TISSUE, HALF = 90, 0.5
"""If more than half of a slide without glass is darker than this, it is not light that tissue let through."""
DARK_BACKGROUND = (
    "the background is dark, as in fluorescence or an inverted picture. Only brightfield slides, with stained tissue "
    "on light glass, can be scored. If this is one, say where its tissue lies: --tissue FILE."
)


@dataclass(frozen=True)
class Ground:
    """``padding`` (h, w); ``is_dark``: the background is dark, so this is not a brightfield slide."""

    padding: Mask
    is_dark: bool

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> Self:
        """The ground of a thumbnail (h, w, 3)."""
        level = average(rgb)
        uneven = _around(np.maximum, level) - _around(np.minimum, level)
        flat, darkest, brightest = uneven <= FLAT, least(rgb), greatest(rgb)
        is_grey = brightest - darkest <= NEUTRAL
        fill = flat & is_grey & (brightest <= BRIGHTEST_PADDING)
        light = flat & is_grey & (darkest >= LIGHT)
        glass_seen = light.sum() > GLASS_SEEN * (~fill).sum()
        padding = np.zeros_like(fill)
        for part in _large_parts(fill):
            is_constant = bool((uneven[part] <= CONSTANT).mean() > MOSTLY)
            if (_at_a_side(part) and glass_seen) or ((_at_a_side(part) or is_constant) and _is_straight(part)):
                padding |= part
        padding = dilated(padding, MARGIN)
        rest = ~padding
        if glass_seen or not rest.any():
            return cls(padding, is_dark=False)
        dark = flat & ((brightest <= DARK) | (is_grey & (darkest < LIGHT)))
        is_ground = dark[rest].mean() > GROUND_SEEN or (level[rest] < DARKEST_TISSUE).mean() > HALF
        return cls(padding, is_dark=bool(is_ground))


def _around(extreme: np.ufunc, level: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ``extreme`` of the 3 x 3 pixels around each, (h, w); SciPy's filters take five times as long."""
    edged = np.pad(level, 1, mode="edge")
    rows = extreme(extreme(edged[:-2], edged[1:-1]), edged[2:])
    return np.asarray(extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]), np.float32)


def _large_parts(mask: Mask) -> Iterator[Mask]:
    if mask.sum() <= SMALLEST_PADDING * mask.size:
        return
    numbers, count = ndimage.label(mask)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    for number in range(1, count + 1):
        if sizes[number] > SMALLEST_PADDING * mask.size:
            yield numbers == number


def _at_a_side(part: Mask) -> bool:
    sides = (part[0], part[-1], part[:, 0], part[:, -1])
    return any(side.mean() >= TOUCHES for side in sides)


def _is_straight(part: Mask) -> bool:
    """Whether most of the border inside the picture runs along rows or columns."""
    across, down = part[:, 1:] != part[:, :-1], part[1:] != part[:-1]
    run = max(1, min(RUN, *(side // 2 for side in part.shape)))
    straight = sum(
        int(ndimage.binary_opening(edge, np.ones(shape)).sum())
        for edge, shape in ((across, (run, 1)), (down, (1, run)))
    )
    return straight >= STRAIGHT * (int(across.sum()) + int(down.sum()))
