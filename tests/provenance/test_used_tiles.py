"""The cells of a grid survive packing, and damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from wsi_haloae.provenance.parts import count_parts
from wsi_haloae.provenance.used_tiles import UsedGrid, UsedTiles, pack


def grid(rows: int, columns: int) -> UsedGrid:
    return UsedGrid(
        tile_size=256,
        stride=256,
        l0_scale_x=2.0,
        l0_scale_y=2.0,
        first_row=3,
        first_column=0,
        rows=rows,
        columns=columns,
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 5), (17, 23)])
def test_cells_are_the_same_after_packing(shape: tuple[int, int]) -> None:
    parts = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    used = UsedTiles.of(grid(*shape), pack(parts))
    np.testing.assert_array_equal(UsedTiles.model_validate(used.model_dump(mode="json")).parts(), parts)


def test_a_slide_takes_a_quarter_of_a_byte_a_tile() -> None:
    whole = np.ones((137, 137), np.uint8)  # 70,000 x 70,000 pixels in tiles of 512
    assert pack(whole).nbytes == grid(137, 137).packed_bytes == -(-whole.size // 4) < 5000


def test_parts_are_counted_and_unused_cells_are_not() -> None:
    assert count_parts(np.array([[0, 1, 3], [1, 0, 1]], np.uint8)) == {"train": 3, "calibration": 1}


@pytest.mark.parametrize("changes", [{"cells": "AAAA"}, {"cells": "*"}, {"rows": 0}, {"stride": 0}, {"l0_scale_x": 0}])
def test_damaged_cells_are_refused(changes: dict[str, object]) -> None:
    good = UsedTiles.of(grid(2, 2), np.array([27], np.uint8)).model_dump(mode="json")
    with pytest.raises(ValidationError):
        UsedTiles.model_validate({**good, **changes})
