"""The length of a scale bar: a round number of micrometres, and its label."""

from __future__ import annotations

import math

SHARE = 0.25
"""Largest share of the picture's width for a scale bar."""


def scale_bar_length(picture_um: float) -> float:
    """The longest of 1, 2 or 5 times a power of ten that fits into a quarter of the width, in µm."""
    room = picture_um * SHARE
    power = 10.0 ** math.floor(math.log10(room))
    return next(step * power for step in (5, 2, 1) if step * power <= room or step == 1)


def length_words(um: float) -> str:
    """The label of a length: 500 µm, 2 mm, 10 mm (not 1 cm)."""
    return f"{um / 1000:g} mm" if um >= 1000 else f"{um:g} µm"
