"""The table of quality-control flags: what may be wrong with a tile that is not biology.

Everything else about the flags is derived from `FLAGS`: what is measured on tiles, the columns and bits of stores,
the limits in a checkpoint, the words and colours of tables, pictures, reports and the viewer.

To add a flag, write its measure in a file of its own (see `focus`) and append a row here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.artefacts.density import TileDensity, glass_share, ink_share
from wsi_haloae.artefacts.focus import focus
from wsi_haloae.artefacts.fold import fold_ratio
from wsi_haloae.config import GLASS_LEVEL
from wsi_haloae.pages import percent


class Unit(Enum):
    """What a quantity is counted in; the value is the largest that it can have, the smallest is always 0."""

    NUMBER = math.inf
    SHARE = 1.0  # of the tile

    def shown(self, value: float) -> str:
        """A value as people read it."""
        return percent(value) if self is Unit.SHARE else f"{value:.3g}"


@dataclass(frozen=True)
class ArtefactFlag:
    """One row of the table. A tile has the flag when its quantity lies beyond the limit, not on it.

    The limit is ``bound``, unless so many reference tiles lie beyond it that it is loosened (see `limits`). It is never
    stricter than ``bound``.
    """

    bit: int
    """What a store keeps, one of 1, 2, 4 ... 128. Never give a bit a new meaning."""
    words: str
    """What people read; tables and records have the row's key in `FLAGS`."""
    colour: str
    """In every picture; not a colour of the heatmap."""
    meaning: str
    """What a flagged tile is, for the report."""
    quantity: str
    """Name of the measured quantity; checkpoints and stores keep its limit under this name."""
    measure: Callable[[TileDensity], float]
    """The quantity of one tile, in ``unit``; never NaN. Its docstring explains it."""
    unit: Unit
    condition: str
    """When the flag is set, for the report, with ``{}`` in place of the limit."""
    bound: float
    flags_below: bool = False
    """Whether the flag is set below the limit instead of above it."""
    calibrated: bool = True
    """Whether reference tiles may loosen the limit."""

    def is_set(self, values: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
        """Which tiles with these values of the quantity (n,) have the flag, (n,). NaN, an unreadable tile, does not."""
        found: NDArray[np.bool_] = values < limit if self.flags_below else values > limit
        return found

    @property
    def limits_from_to(self) -> tuple[float, float]:
        """The smallest and the largest limit allowed."""
        return (0.0, self.bound) if self.flags_below else (self.bound, self.unit.value)


FLAGS: Mapping[str, ArtefactFlag] = {
    "out_of_focus": ArtefactFlag(
        bit=1,
        words="out of focus",
        colour="#1d4ed8",
        meaning="blurred: little fine detail for its contrast",
        quantity="focus",
        measure=focus,
        unit=Unit.NUMBER,
        condition="sharpness below {}",
        bound=0.1,  # a Gaussian of 2 pixels leaves less; one of 1 pixel leaves more on sharp scans
        flags_below=True,
    ),
    "pen": ArtefactFlag(
        bit=2,
        words="pen",
        colour="#b45309",
        meaning="ink of a marker, or another strong colour that stains do not have",
        quantity="ink_share",
        measure=ink_share,
        unit=Unit.SHARE,
        condition="ink on more than {}",
        bound=0.02,  # less ink is pigment, or a speck
    ),
    "fold": ArtefactFlag(
        bit=4,
        words="fold or dense nuclei",
        colour="#be185d",
        meaning="a dark, thick-looking band: a fold, or dark nuclei close together, as in the most atypical tumour",
        quantity="fold_ratio",
        measure=fold_ratio,
        unit=Unit.NUMBER,
        condition="darkest band above {} of the tissue's density",
        bound=0.9,  # less is a dense nest, or a muscle beside paler tissue
    ),
    "mostly_glass": ArtefactFlag(
        bit=8,
        words="mostly glass",
        colour="#4b5563",
        meaning="more than half of the tile is glass",
        quantity="glass_share",
        measure=glass_share,
        unit=Unit.SHARE,
        condition="glass on more than {}",
        bound=0.5,
        calibrated=False,  # the word is "mostly"
    ),
}
"""By the flag's name in tables. Stored columns have this order: only ever append."""


def measure(tile: NDArray[np.uint8], glass_level: float | None = GLASS_LEVEL) -> dict[str, float]:
    """All quantities of a uint8 RGB tile (s, s, 3), s a multiple of 8, by name. `ValueError` for any other array.

    Widths are in pixels: compare a tile's quantities only with limits from tiles of the same pixel size.
    ``glass_level`` is the configuration's ``scoring.glass_level``; None: there is no glass.
    """
    density = TileDensity.of(tile, glass_level)
    return {flag.quantity: flag.measure(density) for flag in FLAGS.values()}


def measure_all(tiles: NDArray[np.uint8], glass_level: float | None = GLASS_LEVEL) -> NDArray[np.float32]:
    """Quantities of tiles (n, s, s, 3) as they are stored: (n, flags), a column for each row of `FLAGS`."""
    rows = [list(measure(tile, glass_level).values()) for tile in tiles]
    return np.array(rows, np.float32).reshape(-1, len(FLAGS))


def set_flags(bits: int) -> dict[str, ArtefactFlag]:
    """The rows, by name, whose bits are set. Unknown bits are ignored."""
    return {name: flag for name, flag in FLAGS.items() if bits & flag.bit}


def column_words(bits: int) -> str:
    """The flags of a tile in a table's column: ``"out_of_focus;pen"``, empty without any."""
    return ";".join(set_flags(bits))


def spoken_words(bits: int) -> str:
    """The flags of a tile for people: ``"out of focus, pen"``, empty without any."""
    return ", ".join(flag.words for flag in set_flags(bits).values())


def known_bits() -> int:
    """All bits of the table together."""
    return sum(flag.bit for flag in FLAGS.values())


def frame_inset(place: int) -> float:
    """How far inside a tile the frame of the flag in this row is drawn, as a share of the side: frames are nested."""
    return place / (3 * max(4, len(FLAGS)))
