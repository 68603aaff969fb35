"""ink_share: what was drawn, and no tissue."""

from __future__ import annotations

import numpy as np
import pytest

from tests.artefacts.simulate import INKS, diagonal_band, drawn_tissue, inked, plain, real_tiles
from wsi_haloae.artefacts.density import TileDensity, ink_share
from wsi_haloae.tissue.ink import has_ink_colour


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("width", [30, 60, 120])
def test_a_stroke_has_the_share_that_was_drawn(ink: str, width: int) -> None:
    where = diagonal_band(256, width)
    for tile in real_tiles("glas_colon/test/malignant", every=25):
        assert ink_share(TileDensity.of(tile)) < 0.005
        share = ink_share(TileDensity.of(inked(tile, INKS[ink], where)))
        # Cells along the two rims are ink or not as a whole.
        assert share == pytest.approx(where.mean(), abs=0.05)


@pytest.mark.parametrize("ink", INKS)
def test_ink_is_found_on_glass_and_where_it_lies(ink: str) -> None:
    where = np.zeros((128, 128), np.bool_)
    where[32:64, 16:96] = True
    cells = TileDensity.of(inked(plain((242, 241, 243), 128), INKS[ink], where)).ink
    assert np.array_equal(cells, where[4::8, 4::8])


@pytest.mark.parametrize("folder", ["glas_colon/test/benign", "lc25000_lung/test/normal", "lc25000_lung/test/tumour"])
def test_stained_tissue_is_no_ink(folder: str) -> None:
    shares = [ink_share(TileDensity.of(tile)) for tile in real_tiles(folder, every=4)]
    assert max(shares) < 0.01


def test_the_rule_is_that_of_the_tissue_mask() -> None:
    density = TileDensity.of(inked(drawn_tissue(), INKS["blue"], diagonal_band(256, 50)))
    assert np.array_equal(density.ink, has_ink_colour(density.cells, 1.0))
