"""What pages share: how a share is written."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.pages import percent


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.375, "38 %"),
        (np.nextafter(0.375, 0), "38 %"),  # the same share, summed over areas instead of counted in tiles
        (0.365, "37 %"),  # to the even number it would be 36, but a browser says 37
        (np.nextafter(0.1, 0), "10 %"),
        (0.0725, "7.3 %"),
        (0.05, "5 %"),
        (0.0004, "< 0.1 %"),
        (0, "0 %"),
        (1, "100 %"),
    ],
)
def test_one_share_reads_the_same_on_every_page(share: float, told: str) -> None:
    assert percent(share) == told.replace(" ", "\N{NO-BREAK SPACE}")
