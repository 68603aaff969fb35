"""The table of flags and the bits that limits give: per tile, in a fixed order."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.artefacts.flags import FLAGS, column_words, frame_inset, known_bits, spoken_words
from wsi_haloae.artefacts.limits import ArtefactLimits

LIMITS = ArtefactLimits(focus=0.0625, ink_share=0.25, fold_ratio=1.5, glass_share=0.5, tiles=300)
CLEAN = {"focus": 0.3, "ink_share": 0.0, "fold_ratio": 0.7, "glass_share": 0.1}


EVERYTHING = {"focus": 0.0, "ink_share": 1.0, "fold_ratio": 9.0, "glass_share": 1.0}


def flags(*tiles: dict[str, float]) -> np.ndarray:
    rows = [[tile.get(flag.quantity, 0.0) for flag in FLAGS.values()] for tile in tiles]
    return LIMITS.flags(np.array(rows, np.float32))


@pytest.mark.parametrize(
    ("quantity", "value", "limit", "bit"),
    [
        ("focus", 0.06, 0.0625, 1),
        ("ink_share", 0.26, 0.25, 2),
        ("fold_ratio", 1.51, 1.5, 4),
        ("glass_share", 0.51, 0.5, 8),
    ],
)
def test_each_quantity_beyond_its_limit_sets_its_own_bit(quantity: str, value: float, limit: float, bit: int) -> None:
    found = flags(CLEAN, {**CLEAN, quantity: value}, {**CLEAN, quantity: limit})
    assert found.dtype == np.uint8
    assert found.tolist() == [0, bit, 0]


def test_bits_add_up() -> None:
    assert flags(EVERYTHING).tolist() == [15]


def test_an_unreadable_tile_has_no_flag() -> None:
    assert LIMITS.flags(np.full((1, len(FLAGS)), np.nan, np.float32)).tolist() == [0]


def test_no_tiles_have_no_flags() -> None:
    assert LIMITS.flags(np.empty((0, len(FLAGS)), np.float32)).shape == (0,)


def test_words_name_the_bits() -> None:
    assert column_words(0) == spoken_words(0) == ""
    assert column_words(3) == "out_of_focus;pen"
    assert spoken_words(3) == "out of focus, pen"
    assert column_words(15) == "out_of_focus;pen;fold;mostly_glass"


def test_what_is_stored_keeps_its_meaning() -> None:
    """Bits and names in tables, and the order of the quantities, are in stores and records of earlier versions."""
    stored = [(name, flag.bit, flag.quantity) for name, flag in FLAGS.items()]
    assert stored[:4] == [
        ("out_of_focus", 1, "focus"),
        ("pen", 2, "ink_share"),
        ("fold", 4, "fold_ratio"),
        ("mostly_glass", 8, "glass_share"),
    ]


def test_rows_do_not_share_a_bit_a_colour_or_a_quantity() -> None:
    rows = list(FLAGS.values())
    assert all(row.bit in {1 << place for place in range(8)} for row in rows)
    assert known_bits() == sum({row.bit for row in rows})
    for kept in ("colour", "quantity", "words"):
        assert len({getattr(row, kept) for row in rows}) == len(rows), kept
    assert "tiles" not in {row.quantity for row in rows}  # what else the limits' JSON holds


def test_frames_of_all_flags_fit_into_a_tile() -> None:
    insets = [frame_inset(place) for place in range(len(FLAGS))]
    assert insets == sorted(set(insets))
    assert 0 <= insets[-1] < 0.5
