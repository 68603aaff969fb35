"""Marker pen: found in four colours on glass and over tissue; stains and dyes of the same colours are no pen."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.artefacts.simulate import real_tiles
from tests.data_paths import case_input, real_data
from tests.tissue.stains import INKS, STAINS, inked, recoloured
from wsi_haloae.artefacts.density import TileDensity, ink_share
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.config import TissueConfig
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.slide.thumbnail import read_thumbnail
from wsi_haloae.tissue.detection import find_tissue
from wsi_haloae.tissue.mask import TissueMask

SLIDES = {"cmu-1-small-region.svs": None, "tcga-cr-7395-01a-01-ts1.svs": 0.25}


@cache
def thumbnail_of(name: str) -> NDArray[np.uint8]:
    return read_thumbnail(open_slide(real_data(f"wsi/{name}"), mpp=SLIDES[name]), 8.0).rgb


def found_on(thumbnail: NDArray[np.uint8], **settings: object) -> TissueMask:
    return find_tissue(MemorySlide(thumbnail, mpp=(8.0, 8.0)), TissueConfig(**settings))


@pytest.mark.parametrize("name", SLIDES)
def test_tissue_stained_blue_or_green_is_tissue(name: str) -> None:
    thumbnail = thumbnail_of(name)
    plain = found_on(thumbnail).mask
    for stain in STAINS:
        found = found_on(recoloured(thumbnail, stain))
        assert found.pen.mean() < 0.001, stain
        assert (found.mask == plain).mean() > 0.93, stain


@pytest.mark.parametrize("ink", INKS)
def test_a_stroke_on_glass_and_over_tissue_is_pen(ink: str) -> None:
    thumbnail = thumbnail_of("cmu-1-small-region.svs")
    plain = found_on(thumbnail).mask
    y, x = np.mgrid[: plain.shape[0], : plain.shape[1]]
    stroke = np.abs(y - 90 - 0.3 * (x - 70)) < 12
    found = found_on(inked(thumbnail, ink, stroke))
    assert found.pen[stroke & ~plain].mean() > 0.97
    assert found.pen[stroke & plain].mean() > 0.5
    assert not found.pen[np.abs(y - 90 - 0.3 * (x - 70)) > 24].any()
    kept = found_on(inked(thumbnail, ink, stroke), pen="keep")
    assert not kept.pen.any()
    assert kept.mask[stroke].mean() > 0.9


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("width", [3, 6, 14])
def test_a_thin_stroke_is_pen_on_glass_and_up_to_the_tissue(ink: str, width: int) -> None:
    thumbnail = thumbnail_of("cmu-1-small-region.svs")
    plain = found_on(thumbnail).mask
    y, x = np.mgrid[: plain.shape[0], : plain.shape[1]]
    away = np.abs(y - 90 - 0.3 * (x - 70))
    found = found_on(inked(thumbnail, ink, away < width / 2))
    assert found.pen[(away < width / 2) & ~plain].mean() > 0.98
    assert not found.pen[away > width / 2 + 12].any()
    assert (found.mask == plain)[away > width / 2 + 12].mean() > 0.99


@pytest.mark.parametrize(("ink", "stain"), [("blue", "blue"), ("green", "green"), ("blue", "Luxol fast blue")])
def test_a_thin_stroke_beside_stained_tissue_may_be_tissue(ink: str, stain: str) -> None:
    """Where tissue has the colours of ink, colour tells nothing: tissue is not lost for the sake of a stroke."""
    thumbnail = recoloured(thumbnail_of("cmu-1-small-region.svs"), stain)
    plain = found_on(thumbnail).mask
    y, x = np.mgrid[: plain.shape[0], : plain.shape[1]]
    away = np.abs(y - 90 - 0.3 * (x - 70))
    found = found_on(inked(thumbnail, ink, away < 2))
    assert (found.mask | ~plain)[away > 14].mean() > 0.99


def test_the_thin_stroke_of_the_synthetic_slide_is_pen() -> None:
    found = find_tissue(open_slide(case_input("_shared/tiny.tif")), TissueConfig())
    assert 0.05 < found.pen.mean() < 0.12
    assert not found.mask[-20:].any()


def test_the_dye_on_a_specimens_margin_is_no_pen() -> None:
    slide = open_slide(real_data("wsi/cmu-1-small-region.svs"))
    bound = FLAGS["pen"].bound
    for y in range(1024, 2304, 256):
        for x in range(1536, 2048, 256):
            assert ink_share(TileDensity.of(slide.read_region(x, y, 0, 256, 256))) <= bound


def test_few_tiles_of_tissue_stained_like_ink_are_flagged() -> None:
    tiles = np.concatenate([real_tiles(folder, every=12)[:12] for folder in ("glas_colon/test/benign", "liver_c")])
    for stain in STAINS:
        shares = np.array([ink_share(TileDensity.of(recoloured(tile, stain))) for tile in tiles])
        assert (shares > FLAGS["pen"].bound).mean() < 0.15, stain
        assert shares.max() < 0.2, stain
