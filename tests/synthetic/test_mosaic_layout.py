"""Which cells of a mosaic are tissue and which are anomalous."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from wsi_haloae.errors import UsageError
from wsi_haloae.synthetic.mosaic_layout import SEPARATION, MosaicLayout, make_mosaic_layout


def layout(seed: int = 0, rows: int = 40, columns: int = 50, **changed: float) -> MosaicLayout:
    chosen = {"margin": 2, "share": 0.1, "regions": 4} | changed
    return make_mosaic_layout(np.random.default_rng(seed), rows, columns, **chosen)  # type: ignore[arg-type]


@given(
    seed=st.integers(0, 1000),
    rows=st.integers(8, 45),
    columns=st.integers(8, 45),
    margin=st.integers(1, 2),
    share=st.floats(0.05, 0.5),
    regions=st.integers(1, 5),
)
@example(seed=0, rows=9, columns=16, margin=1, share=0.109375, regions=4)  # seven tiles in four regions
@settings(max_examples=60, deadline=None)
def test_regions_are_of_the_share_asked_for_whole_and_apart(
    seed: int, rows: int, columns: int, margin: int, share: float, regions: int
) -> None:
    made = None
    with suppress(UsageError):  # there may be no room
        made = layout(seed, rows, columns, margin=margin, share=share, regions=regions)
    assume(made is not None)
    assert made is not None
    inner = np.s_[margin : rows - margin, margin : columns - margin]
    assert made.tissue.sum() == made.tissue[inner].sum(), "the margin is glass"
    assert ndimage.label(made.tissue)[1] == 1
    assert not (made.region[~made.tissue]).any()
    assert len(made.sizes) == regions
    assert sum(made.sizes) == round(share * made.tissue.sum()) == (made.region > 0).sum()
    assert made.sizes == sorted(made.sizes, reverse=True)
    for number in range(1, regions + 1):
        own = made.region == number
        assert ndimage.label(own)[1] == 1
        around = ndimage.binary_dilation(own, np.ones((3, 3)), iterations=SEPARATION)
        assert set(np.unique(made.region[around])) <= {0, number}


def test_each_region_is_about_half_as_large_as_the_one_before() -> None:
    sizes = np.array(layout(rows=100, columns=100).sizes)
    assert len(sizes) == 4
    assert np.abs(sizes[:-1] / sizes[1:] - 2).max() < 0.2


@pytest.mark.parametrize("seed", range(8))
def test_regions_are_compact(seed: int) -> None:
    """The outline is short: that of a square of the same area is 1."""
    made = layout(seed, regions=2)
    for number, size in enumerate(made.sizes, start=1):
        own = np.pad(made.region == number, 1).astype(int)
        outline = np.abs(np.diff(own, axis=0)).sum() + np.abs(np.diff(own, axis=1)).sum()
        assert outline / (4 * np.sqrt(size)) < 1.5


def test_regions_have_their_share_of_the_rim() -> None:
    shares = []
    for seed in range(12):
        made = layout(seed, share=0.2)
        rim = made.tissue & ~ndimage.binary_erosion(made.tissue)
        shares.append((made.region[rim] > 0).mean())
    assert 0.17 < np.mean(shares) < 0.23
    assert min(shares) > 0.1 and max(shares) < 0.3


def test_the_outline_is_irregular_and_of_a_fair_size() -> None:
    made = [layout(seed).tissue for seed in range(6)]
    shares = [tissue.mean() for tissue in made]
    assert min(shares) > 0.25 and max(shares) < np.pi / 4
    for tissue in made:
        assert (tissue != tissue[::-1, ::-1]).sum() > 0.03 * tissue.sum(), "an ellipse would look the same upside down"


def test_a_share_of_nothing_has_no_region() -> None:
    made = layout(share=0)
    assert made.sizes == []
    assert not made.region.any()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"rows": 6}, "at least 7 rows and columns"),
        ({"columns": 10, "margin": 4}, "at least 11 rows"),
        ({"rows": 8, "columns": 8}, "too few for 4 regions"),
        ({"rows": 20, "columns": 20, "share": 0.9}, "find no room"),
    ],
)
def test_what_has_no_room_is_refused_with_what_to_change(changed: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        layout(**changed)  # type: ignore[arg-type]
