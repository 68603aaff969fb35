"""What each pixel of a slide's thumbnail is: tissue, or why it is left out. One table for messages and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.pages import percent


class Part(IntEnum):
    """The values of `TissueMask.parts`. Stores keep them: never give one another meaning."""

    GLASS = 0
    TISSUE = 1
    PADDING = 2
    PEN = 3
    PIECES = 4
    OUTSIDE = 5
    DARK = 6


@dataclass(frozen=True)
class PartFacts:
    """How a part is named in ``run.json`` and for people, and its colour in the preview; None: it is not coloured."""

    name: str
    words: str
    colour: str | None


PARTS: Mapping[Part, PartFacts] = {
    Part.TISSUE: PartFacts("tissue", "tissue", "#0b7a4b"),
    Part.GLASS: PartFacts("glass", "glass", None),
    Part.PADDING: PartFacts("padding", "black padding", "#7c3aed"),
    Part.PEN: PartFacts("pen", "pen", "#d97706"),
    Part.PIECES: PartFacts("small_pieces", "small pieces", "#be185d"),
    Part.DARK: PartFacts("dark", "dark background", None),
    Part.OUTSIDE: PartFacts("outside", "outside the given mask", None),
}
"""In the order in which people read them."""


def shares(parts: NDArray[np.uint8]) -> dict[str, float]:
    """The share of a map (h, w) that is each part, by the part's name."""
    counts = np.bincount(parts.ravel(), minlength=len(PARTS)) / max(1, parts.size)
    return {facts.name: round(float(counts[part]), 6) for part, facts in PARTS.items()}


def left_out(parts: NDArray[np.uint8]) -> str:
    """What of a map (h, w) is not tissue, in words: "glass 55 %, black padding 2 %"."""
    found = shares(parts)
    told = [f"{facts.words} {percent(found[facts.name])}" for facts in PARTS.values() if found[facts.name]]
    return ", ".join(told[1:] if found[PARTS[Part.TISSUE].name] else told) or "nothing"
