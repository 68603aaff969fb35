"""focus: falls with blur, and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.artefacts.simulate import GLASS, blurred, drawn_tissue, plain, real_tiles
from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.artefacts.focus import COARSE_WIDTH, FINE_WIDTH, LEAST_TISSUE, NOISE, SHARPEST, focus

EOSIN = (205, 110, 160)


def _focus(tile: NDArray[np.uint8]) -> float:
    return focus(TileDensity.of(tile))


def test_focus_is_the_fine_share_of_the_local_variance() -> None:
    tile = drawn_tissue()
    tile[:64] = GLASS
    density = TileDensity.of(tile)
    optical = -np.log10(np.maximum(tile, 1) / 255)
    pixels = optical.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3, 4))
    smooth, base = (
        ndimage.convolve(pixels, np.full((width, width), width**-2.0)) for width in (FINE_WIDTH, COARSE_WIDTH)
    )
    tissue = np.kron(density.tissue, np.ones((4, 4))).astype(bool)
    fine, coarse = ((pixels - smooth)[tissue] ** 2).mean(), ((smooth - base)[tissue] ** 2).mean()
    assert focus(density) == pytest.approx(fine / (fine + coarse + NOISE**2), rel=1e-4)


@pytest.mark.parametrize("folder", ["glas_colon/test/malignant", "lc25000_lung/test/tumour"])
def test_more_blur_is_less_focus_on_real_tiles(folder: str) -> None:
    for tile in real_tiles(folder, every=8):
        found = [_focus(blurred(tile, sigma) if sigma else tile) for sigma in (0, 0.7, 1, 1.5, 2, 3, 5)]
        assert found == sorted(found, reverse=True), found


@pytest.mark.parametrize("seed", range(4))
def test_more_blur_is_less_focus_on_drawn_tiles(seed: int) -> None:
    tile = drawn_tissue(seed)
    found = [_focus(blurred(tile, sigma) if sigma else tile) for sigma in (0, 1, 2, 3, 5)]
    assert found == sorted(found, reverse=True), found
    assert found[0] > 3 * found[3]


def test_brightness_and_contrast_move_focus_little() -> None:
    for tile in real_tiles("glas_colon/test/malignant", every=12):
        was, blur = _focus(tile), _focus(blurred(tile, 3))
        for gain in (0.7, 0.85):
            assert abs(_focus((tile * gain).astype(np.uint8)) - was) < 0.25 * (was - blur)
        paler = (255 * (tile / 255) ** 0.6).astype(np.uint8)
        assert abs(_focus(paler) - was) < 0.25 * (was - blur)


def test_glass_beside_the_tissue_moves_focus_little() -> None:
    tile = drawn_tissue()
    beside = tile.copy()
    beside[:, 96:] = GLASS
    assert _focus(beside) == pytest.approx(_focus(tile), rel=0.25)
    assert _focus(blurred(beside, 3)) < 0.4 * _focus(beside)


def test_noise_on_plain_tissue_is_no_sharpness() -> None:
    noise = np.random.default_rng(0).normal(0, 1.5, (256, 256, 3))
    assert _focus((np.array(EOSIN) + noise).clip(0, 255).astype(np.uint8)) < FLAGS["out_of_focus"].bound


def test_plain_tissue_has_no_focus_and_nothing_to_judge_has_all() -> None:
    assert _focus(plain(EOSIN)) == pytest.approx(0, abs=1e-6)
    assert _focus(plain(GLASS)) == SHARPEST
    almost = plain(GLASS, side=256)
    almost[:48, :56] = EOSIN
    assert _focus(almost) == SHARPEST
    almost[:64, :64] = EOSIN
    assert LEAST_TISSUE < 64**2 / 256**2
    assert _focus(almost) < SHARPEST
