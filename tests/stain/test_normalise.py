"""Stain normalisation. Where stains are estimated, the package torchstain is needed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from PIL import Image

from tests.data_paths import real_data
from wsi_haloae.errors import UsageError
from wsi_haloae.stain.normalise import StainEstimate, StainNormaliser, estimate_stains

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.20, 0.95, 0.23])


def estimate(haematoxylin: np.ndarray, eosin: np.ndarray, strengths: tuple[float, float]) -> StainEstimate:
    return StainEstimate(np.stack([v / np.linalg.norm(v) for v in (haematoxylin, eosin)]), np.array(strengths))


PURPLE = estimate(HAEMATOXYLIN, EOSIN, (1.5, 1.0))
PINK = estimate(np.array([0.45, 0.85, 0.27]), np.array([0.13, 0.96, 0.24]), (1.2, 1.4))


def painted(stains: StainEstimate, amounts: np.ndarray) -> np.ndarray:
    """A tile of amounts (h, w, 2), 1 being the stain's strength, in the natural logarithm as torchstain counts."""
    density = (amounts * stains.strengths) @ stains.vectors
    return np.rint(255 * np.exp(-density)).astype(np.uint8)


def nuclei_and_stroma(seed: int = 0, side: int = 128) -> np.ndarray:
    """Amounts (side, side, 2): a third nearly pure haematoxylin, a third nearly pure eosin, a third of both."""
    random = np.random.default_rng(seed)
    amounts = random.uniform(0.3, 1, (side, side, 2))
    kind = random.integers(3, size=(side, side))
    amounts[kind == 0, 1] *= 0.02
    amounts[kind == 1, 0] *= 0.02
    return amounts


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, (4, 3, 3)))
def test_tiles_that_are_stained_like_the_reference_keep_every_bit(tile: np.ndarray) -> None:
    np.testing.assert_array_equal(StainNormaliser(PURPLE).transform(tile, PURPLE), tile)


def test_the_same_amounts_get_the_references_colours() -> None:
    amounts = np.random.default_rng(0).uniform(0, 0.6, (30, 30, 2))
    found = StainNormaliser(PINK).transform(painted(PURPLE, amounts), PURPLE)
    assert np.abs(found.astype(int) - painted(PINK, amounts)).max() <= 3, "rounded before and after"


def test_white_stays_white_and_a_marker_stroke_stays_green() -> None:
    normaliser = StainNormaliser(PINK)
    assert (normaliser.transform(np.full((2, 2, 3), 255, np.uint8), PURPLE) == 255).all()
    red, green, blue = normaliser.transform(np.full((1, 1, 3), (20, 160, 60), np.uint8), PURPLE)[0, 0].astype(int)
    assert green > red
    assert green > blue


@pytest.mark.parametrize(
    ("vectors", "strengths"),
    [
        ([[0.6, 0.7, 0.4], [0.6, 0.7, 0.4]], [1, 1]),
        ([[0.6, 0.7, 0.4], [0.2, 0.9, 0.2]], [1, 0]),
        ([[0.6, 0.7, np.nan], [0.2, 0.9, 0.2]], [1, 1]),
    ],
)
def test_what_is_no_two_stains_is_refused(vectors: list[list[float]], strengths: list[float]) -> None:
    with pytest.raises(UsageError, match="one colour"):
        StainEstimate(np.array(vectors), np.array(strengths))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchstain", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'wsi-haloae[stain]'")):
        StainNormaliser.fit([painted(PURPLE, nuclei_and_stroma())])


@pytest.mark.parametrize("stains", [PURPLE, PINK])
def test_stains_that_were_painted_are_found(stains: StainEstimate) -> None:
    pytest.importorskip("torchstain")
    found = estimate_stains(painted(stains, nuclei_and_stroma(seed)) for seed in range(3))
    np.testing.assert_allclose(found.vectors, stains.vectors, atol=0.03)
    np.testing.assert_allclose(found.strengths, stains.strengths, rtol=0.04)


def test_glass_changes_no_estimate() -> None:
    pytest.importorskip("torchstain")
    tile = painted(PURPLE, nuclei_and_stroma())
    glass = np.random.default_rng(0).integers(225, 256, tile.shape, dtype=np.uint8)
    alone, together = estimate_stains([tile]), estimate_stains([glass, tile, glass])
    np.testing.assert_array_equal(together.vectors, alone.vectors)
    np.testing.assert_array_equal(together.strengths, alone.strengths)


@pytest.mark.parametrize("tiles", [[], [np.full((64, 64, 3), 240, np.uint8)], [np.full((9, 9, 3), 90, np.uint8)]])
def test_too_little_tissue_is_refused(tiles: list[np.ndarray]) -> None:
    pytest.importorskip("torchstain")
    with pytest.raises(UsageError, match="1,000 are needed"):
        estimate_stains(tiles)


def test_tiles_of_one_colour_are_refused() -> None:
    pytest.importorskip("torchstain")
    with pytest.raises(UsageError, match="one colour"):
        estimate_stains([np.full((64, 64, 3), (120, 90, 150), np.uint8)])


def glas(pattern: str) -> Iterator[np.ndarray]:
    for path in sorted(real_data("tiles/glas_colon").glob(pattern))[:24]:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def test_another_patients_tiles_get_the_references_stains() -> None:
    pytest.importorskip("torchstain")
    normaliser = StainNormaliser.fit(glas("train/malignant/p02_*"))
    target, patient = normaliser.target, list(glas("test/benign/p01_*"))
    source = estimate_stains(patient)
    after = estimate_stains(normaliser.transform(tile, source) for tile in patient)
    assert np.abs(source.strengths / target.strengths - 1).max() > 0.3
    np.testing.assert_allclose(after.strengths, target.strengths, rtol=0.15)  # other pixels are pale now
    assert np.abs(after.vectors - target.vectors).max() < np.abs(source.vectors - target.vectors).max() / 2
