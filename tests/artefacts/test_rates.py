"""On real tiles of other patients: few false flags, and what is simulated is found.

GlaS and LC25000 are development data. Rates that were seen stand beside each bound.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.artefacts.simulate import INKS, Tile, blurred, diagonal_band, folded, inked, real_tiles
from tests.data_paths import real_data
from wsi_haloae.artefacts.flags import FLAGS, measure, measure_all
from wsi_haloae.artefacts.limits import ArtefactLimits, calibrate
from wsi_haloae.slide.readers import open_slide

pytestmark = pytest.mark.slow

SETS = {
    "glas": ("glas_colon/train/malignant", 1, ("glas_colon/test/malignant", "glas_colon/test/benign")),
    "lc25000": ("lc25000_lung/train/tumour", 3, ("lc25000_lung/test/tumour", "lc25000_lung/test/normal")),
}
FOLDS = (
    (0, 6), (0, 7), (0, 8), (2, 4), (2, 10), (12, 0), (13, 0), (13, 1), (16, 7), (16, 10), (16, 11), (16, 12),
)  # fmt: skip
"""Column and row of the tiles of the TCGA slide in which a fold was seen."""
BOUNDS = ArtefactLimits(ink_share=FLAGS["pen"].bound, tiles=1)
TISSUE_ARTEFACTS = ("out_of_focus", "pen", "fold")


@pytest.fixture(scope="module", params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def limits(name: str) -> ArtefactLimits:
    folder, every, _ = SETS[name]
    return calibrate(measure_all(real_tiles(folder, every)))


@pytest.fixture(scope="module")
def held_out(name: str) -> dict[str, NDArray[np.uint8]]:
    return {folder: real_tiles(folder) for folder in SETS[name][2]}


@pytest.fixture(scope="module")
def mostly_tissue(held_out: dict[str, NDArray[np.uint8]]) -> list[Tile]:
    return [tile for tiles in held_out.values() for tile in tiles[::5] if measure(tile)["glass_share"] < 0.5]


def _rate(tiles: list[Tile] | NDArray[np.uint8], limits: ArtefactLimits, flag: str) -> float:
    return float(((limits.flags(measure_all(np.array(tiles))) & FLAGS[flag].bit) > 0).mean())


def test_few_tiles_of_other_patients_are_flagged(
    held_out: dict[str, NDArray[np.uint8]], limits: ArtefactLimits
) -> None:
    for folder, tiles in held_out.items():
        for flag in TISSUE_ARTEFACTS:
            assert _rate(tiles, limits, flag) <= 0.02, (folder, flag)  # seen: 0.013 (two near-copies), else 0


def test_blur_is_found(mostly_tissue: list[Tile], limits: ArtefactLimits) -> None:
    assert _rate([blurred(tile, 3) for tile in mostly_tissue], limits, "out_of_focus") > 0.99  # seen: 1


@pytest.mark.parametrize("ink", INKS)
def test_a_stroke_is_found(mostly_tissue: list[Tile], limits: ArtefactLimits, ink: str) -> None:
    where = diagonal_band(len(mostly_tissue[0]), 30)
    drawn = [inked(tile, INKS[ink], where) for tile in mostly_tissue]
    assert _rate(drawn, limits, "pen") == 1
    assert _rate(drawn, limits, "fold") <= 0.02


def test_threefold_tissue_is_often_found(mostly_tissue: list[Tile], limits: ArtefactLimits, name: str) -> None:
    where = diagonal_band(len(mostly_tissue[0]), 60)
    rate = _rate([folded(tile, 3, where) for tile in mostly_tissue], limits, "fold")
    assert rate > {"glas": 0.4, "lc25000": 0.55}[name]  # seen: 0.56 and 0.70


def _tissue_tiles(relative: str, mpp: float | None) -> dict[tuple[int, int], Tile]:
    """Whole 256-pixel tiles of a slide by (column, row), those of nearly nothing but glass left out."""
    slide = open_slide(real_data(relative), mpp=mpp)
    places = np.ndindex(slide.properties.width // 256, slide.properties.height // 256)
    tiles = {(column, row): slide.read_region(256 * column, 256 * row, 0, 256, 256) for column, row in places}
    return {place: tile for place, tile in tiles.items() if measure(tile)["glass_share"] < 0.8}


def test_real_folds_are_found() -> None:
    tiles = _tissue_tiles("wsi/tcga-cr-7395-01a-01-ts1.svs", mpp=0.25)
    quantities = dict(zip(tiles, measure_all(np.array(list(tiles.values()))), strict=True))
    rest = np.array([quantities[place] for place in tiles if place not in FOLDS])
    limits = calibrate(rest)
    on_folds = limits.flags(np.array([quantities[place] for place in FOLDS]))
    assert ((on_folds & FLAGS["fold"].bit) > 0).sum() >= 7  # seen: 8 of 12
    assert ((limits.flags(rest) & FLAGS["fold"].bit) > 0).mean() <= 0.01  # seen: 1 of 148


def test_dye_on_the_edge_of_a_specimen_is_no_pen() -> None:
    """The slide has no pen. By the green of their colour alone, some of its tiles were taken for it."""
    tiles = _tissue_tiles("wsi/cmu-1-small-region.svs", mpp=None)
    bits = BOUNDS.flags(measure_all(np.array(list(tiles.values()))))
    assert not (bits & FLAGS["pen"].bit).any()
