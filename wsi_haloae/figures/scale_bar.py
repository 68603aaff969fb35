"""The length of a scale bar: a round number of micrometres, and the words for it."""

from __future__ import annotations

import math

SHARE = 0.25
"""The most of the picture's width that a scale bar takes."""


def scale_bar_length(picture_um: float) -> float:
    """The longest of 1, 2 or 5 times a power of ten that fits into a quarter of the width, in µm."""
    room = picture_um * SHARE
    power = 10.0 ** math.floor(math.log10(room))
    return next(step * power for step in (5, 2, 1) if step * power <= room or step == 1)


def length_words(um: float) -> str:
    """A length as people say it: 500 µm, 2 mm, 1 cm stays 10 mm."""
    return f"{um / 1000:g} mm" if um >= 1000 else f"{um:g} µm"
