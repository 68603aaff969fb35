"""fold_ratio: rises where tissue lies double, and only over an area wide enough."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.artefacts.simulate import GLASS, INKS, diagonal_band, drawn_tissue, folded, inked, plain, real_tiles
from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.artefacts.fold import PALEST, fold_ratio

EOSIN = (205, 110, 160)


def _ratio(tile: NDArray[np.uint8]) -> float:
    return fold_ratio(TileDensity.of(tile))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_ratio_counts_layers_of_plain_tissue(layers: int) -> None:
    where = np.zeros((256, 256), np.bool_)
    where[64:128] = True
    tile = folded(plain(EOSIN, 256), layers, where)
    density = -np.log10(np.array(EOSIN) / 255)
    assert _ratio(tile) == pytest.approx((layers * density / (density + PALEST)).min(), rel=0.03)


@pytest.mark.parametrize("folder", ["glas_colon/test/malignant", "lc25000_lung/test/tumour"])
@pytest.mark.parametrize("width", [48, 90])
def test_a_fold_raises_the_ratio_of_real_tiles_the_more_the_thicker(folder: str, width: int) -> None:
    tiles = [tile for tile in real_tiles(folder, every=8) if TileDensity.of(tile).tissue.mean() > 0.8]
    where = diagonal_band(len(tiles[0]), width)
    flat, double, triple = ([_ratio(folded(tile, layers, where)) for tile in tiles] for layers in (1, 2, 3))
    assert np.median(np.divide(double, flat)) > 1.15
    assert np.median(np.divide(triple, flat)) > 1.5
    assert (np.array(triple) >= double).all()


def test_what_is_narrow_or_small_is_no_fold() -> None:
    tile = drawn_tissue()
    where = np.zeros((256, 256), np.bool_)
    where[64:80] = True
    assert _ratio(folded(tile, 3, where)) < 1.2 * _ratio(tile)
    where[:] = False
    where[64:96, 64:96] = True
    assert _ratio(folded(tile, 3, where)) < 1.2 * _ratio(tile)
    where[64:112, 64:144] = True
    assert _ratio(folded(tile, 3, where)) > 1.5 * _ratio(tile)


def test_what_is_dark_in_one_channel_alone_is_no_fold() -> None:
    tile = plain(EOSIN, 256)
    tile[64:128, :, 1] = 60  # not the palest channel, which decides
    assert not TileDensity.of(tile).ink.any()
    assert _ratio(tile) == pytest.approx(_ratio(plain(EOSIN, 256)), rel=0.01)


@pytest.mark.parametrize("ink", INKS)
def test_ink_is_no_fold(ink: str) -> None:
    tile = plain(EOSIN, 256)
    assert _ratio(inked(tile, INKS[ink], diagonal_band(256, 70))) <= _ratio(tile) * 1.01


def test_without_tissue_there_is_no_fold() -> None:
    assert _ratio(plain(GLASS)) == 0
