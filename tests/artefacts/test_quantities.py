"""measure: what holds for all quantities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from tests.artefacts.simulate import GLASS, INKS, diagonal_band, drawn_tissue, inked, plain, real_tiles
from wsi_haloae.artefacts.density import CELL, TileDensity
from wsi_haloae.artefacts.flags import FLAGS, measure, measure_all
from wsi_haloae.artefacts.fold import LEAST_SHARE, PALEST, fold_ratio
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


def test_the_density_has_the_bytes_of_plain_sums() -> None:
    """Two bytes are looked up at once, and whole rows are added: in the order of the plain sums, or float32 differs."""
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found, optical = TileDensity.of(tile), np.log10(255 / np.maximum(tile, 1)).astype(np.float32)
    fine = _block_sums(optical, 2) / np.float32(4)
    assert np.array_equal(found.fine, (fine[..., 0] + fine[..., 1] + fine[..., 2]) / np.float32(3))
    assert np.array_equal(found.cells, _block_sums(fine, 4) / np.float32(16))


def _block_sums(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    rows = sum(values[offset::side] for offset in range(side))
    return np.asarray(sum(rows[:, offset::side] for offset in range(side)))


def test_the_fold_is_that_of_scipys_opening_and_numpys_median() -> None:
    for tile in [_mixed(), *real_tiles("glas_colon/test/malignant", every=20)]:
        density = TileDensity.of(tile)
        usual = np.median(density.cells[density.tissue], axis=0)
        ratio = (density.cells / (usual + np.float32(PALEST))).min(axis=2)
        ratio[ndimage.binary_dilation(density.ink, np.ones((3, 3))) | ~density.tissue] = 0
        band = np.sort(ndimage.grey_opening(ratio, 3), axis=None)
        assert fold_ratio(density) == band[-max(1, round(LEAST_SHARE * band.size))]


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
