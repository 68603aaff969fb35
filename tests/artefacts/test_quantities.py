"""measure: what holds for all quantities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.artefacts.simulate import GLASS, INKS, diagonal_band, drawn_tissue, inked, plain, real_tiles
from wsi_haloae.artefacts.density import CELL, TileDensity
from wsi_haloae.artefacts.flags import FLAGS, measure, measure_all
from wsi_haloae.config import GLASS_LEVEL
from wsi_haloae.features.preprocessing import tissue_cells, to_unit


def _mixed() -> NDArray[np.uint8]:
    tile = inked(drawn_tissue(), INKS["green"], diagonal_band(256, 40))
    tile[:, :50] = GLASS
    return tile


def test_turning_and_flipping_change_nothing() -> None:
    for tile in [_mixed(), *real_tiles("glas_colon/test/benign", every=60)]:
        whole = measure(tile)
        for turn in range(4):
            turned = np.rot90(tile, turn)
            assert measure(turned) == pytest.approx(whole, rel=1e-4, abs=1e-6)
            assert measure(turned[:, ::-1]) == pytest.approx(whole, rel=1e-4, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(colour=st.tuples(*[st.integers(0, 255)] * 3), side=st.sampled_from([8, 16, 64]))
def test_one_colour_gives_finite_quantities(colour: tuple[int, int, int], side: int) -> None:
    assert np.isfinite(list(measure(plain(colour, side)).values())).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([8, 24, 64]))
def test_quantities_stay_in_their_ranges(seed: int, side: int) -> None:
    found = measure(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))
    assert all(0 <= found[flag.quantity] <= flag.unit.value for flag in FLAGS.values())
    assert found["focus"] <= 1


def test_white_is_glass_and_nothing_else() -> None:
    expected = {"focus": 1.0, "ink_share": 0.0, "fold_ratio": 0.0, "glass_share": 1.0}
    assert measure(plain((255, 255, 255))).items() >= expected.items()


@pytest.mark.parametrize("level", [0.7, GLASS_LEVEL, 0.95])
def test_glass_is_what_the_model_takes_for_glass(level: float) -> None:
    for tile in real_tiles("glas_colon/test/benign", every=30):
        unit = to_unit(torch.from_numpy(tile[None].copy()))
        expected = tissue_cells(unit, tile.shape[0] // CELL, level)[0].numpy()
        assert np.array_equal(TileDensity.of(tile, level).tissue, expected)
        assert measure(tile, level)["glass_share"] == pytest.approx(1 - expected.mean())


def test_without_a_glass_level_nothing_is_glass() -> None:
    assert measure(plain(GLASS), None)["glass_share"] == 0


def test_many_tiles_are_measured_one_by_one() -> None:
    tiles = np.array([_mixed(), drawn_tissue(1)])
    found = measure_all(tiles)
    assert found.dtype == np.float32
    assert np.array_equal(found, np.array([list(measure(tile).values()) for tile in tiles], np.float32))
    assert measure_all(tiles[:0]).shape == (0, len(FLAGS))


@pytest.mark.parametrize(
    "tile",
    [
        np.zeros((12, 12, 3), np.uint8),
        np.zeros((16, 8, 3), np.uint8),
        np.zeros((16, 16), np.uint8),
        np.zeros((16, 16, 3), np.float32),
        np.zeros((0, 0, 3), np.uint8),
    ],
)
def test_what_is_no_tile_is_refused(tile: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        measure(tile)
