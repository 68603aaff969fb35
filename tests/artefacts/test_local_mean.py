"""local_mean has the bytes of SciPy's filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.artefacts.simulate import drawn_tissue, real_tiles
from wsi_haloae.artefacts.density import TileDensity
from wsi_haloae.artefacts.local_mean import local_mean

WIDTHS = (1, 3, 5, 7, 11)


@pytest.mark.parametrize("side", [4, 5, 12, 128])
def test_it_has_the_bytes_of_scipys_filter(side: int) -> None:
    """Also where the square is wider than the tile, which is then reflected more than once."""
    for tile in [drawn_tissue(), *real_tiles("glas_colon/test/benign", every=60)]:
        values = TileDensity.of(tile).fine[:side, :side]
        for width in WIDTHS:
            assert np.array_equal(local_mean(values, width), ndimage.uniform_filter(values, width))
