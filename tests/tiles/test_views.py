"""Sources made of others."""

from __future__ import annotations

import numpy as np

from tests.training.tiles import MemorySource
from wsi_haloae.tiles.views import Changed, Chosen

SOURCE = MemorySource(5)


def test_chosen_tiles_keep_their_groups() -> None:
    view = Chosen(SOURCE, np.array([3, 1]))
    np.testing.assert_array_equal(view.read(0), SOURCE.read(3))
    assert view.groups == [SOURCE.groups[3], SOURCE.groups[1]]
    assert view.blocks == [SOURCE.blocks[3], SOURCE.blocks[1]]
    np.testing.assert_array_equal(view.positions, SOURCE.positions[[3, 1]])
    assert (view.tile_size, view.mpp) == (SOURCE.tile_size, SOURCE.mpp)
    assert view.digest() != Chosen(SOURCE, np.array([1, 3])).digest()


def test_changed_tiles_are_changed_by_their_number() -> None:
    view = Changed(SOURCE, lambda tile, number: tile // (number + 1), "darker")
    np.testing.assert_array_equal(view.read(2), SOURCE.read(2) // 3)
    assert view.groups == SOURCE.groups
    np.testing.assert_array_equal(view.positions, SOURCE.positions)
    assert "darker" in view.name
    assert view.digest() != Changed(SOURCE, lambda tile, _: tile, "as they are").digest()
