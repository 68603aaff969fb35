"""flags and words: bits per tile, in a fixed order."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.artefacts.flags import ArtefactFlag, flags, words
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.artefacts.quantities import TileQuantities

LIMITS = ArtefactLimits(focus=0.0625, ink_share=0.25, fold_ratio=1.5, glass_share=0.5, tiles=300)
CLEAN = TileQuantities(focus=0.3, ink_share=0.0, fold_ratio=0.7, glass_share=0.1)


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [
        ("focus", 0.06, ArtefactFlag.OUT_OF_FOCUS),
        ("ink_share", 0.26, ArtefactFlag.PEN),
        ("fold_ratio", 1.51, ArtefactFlag.FOLD),
        ("glass_share", 0.51, ArtefactFlag.MOSTLY_GLASS),
    ],
)
def test_each_quantity_beyond_its_limit_sets_its_own_bit(name: str, value: float, flag: ArtefactFlag) -> None:
    beyond = CLEAN._replace(**{name: value})
    on_it = CLEAN._replace(**{name: getattr(LIMITS, name)})
    found = flags(np.array([CLEAN, beyond, on_it], np.float32), LIMITS)
    assert found.dtype == np.uint8
    assert found.tolist() == [0, flag, 0]


def test_bits_add_up() -> None:
    everything = np.array([TileQuantities(0.0, 1.0, 9.0, 1.0)], np.float32)
    assert flags(everything, LIMITS).tolist() == [15]


def test_an_unreadable_tile_has_no_flag() -> None:
    assert flags(np.full((1, 4), np.nan, np.float32), LIMITS).tolist() == [0]


def test_no_tiles_have_no_flags() -> None:
    assert flags(np.empty((0, 4), np.float32), LIMITS).shape == (0,)


def test_words_name_the_bits_for_a_table() -> None:
    assert words(0) == ""
    assert words(ArtefactFlag.OUT_OF_FOCUS | ArtefactFlag.PEN) == "out_of_focus;pen"
    assert words(15) == "out_of_focus;pen;fold;mostly_glass"
    assert words(int(np.uint8(8))) == "mostly_glass"


def test_stored_bits_keep_their_meaning() -> None:
    assert {flag.name: flag.value for flag in ArtefactFlag} == {
        "OUT_OF_FOCUS": 1,
        "PEN": 2,
        "FOLD": 4,
        "MOSTLY_GLASS": 8,
    }
