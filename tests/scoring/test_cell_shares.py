"""Maps that add up: against loops over cells, and as the scorer makes them; their mean over tissue is the score."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.tiny import TILE, tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.adaptation.standpoint import standpoint
from wsi_haloae.config import ScoringConfig
from wsi_haloae.features.preprocessing import tissue_cells, to_unit
from wsi_haloae.model.anomaly_map import spread
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.rules.cell_shares import of_content, of_descriptor
from wsi_haloae.scoring.rules.combined import content
from wsi_haloae.scoring.rules.descriptor import descriptor
from wsi_haloae.scoring.scorer import Scorer

CPU = torch.device("cpu")
CHANNELS, SIDE, SIZE = 5, 4, 3


def measured(seed: int, share: float, *, constant: bool) -> Measured:
    """Three tiles, in double precision, with this share of tissue; one channel may be constant in a tile."""
    random = np.random.default_rng(seed)
    features = 2 * random.normal(size=(3, CHANNELS, SIDE, SIDE)) + random.normal(size=(3, CHANNELS, 1, 1))
    if constant:
        features[1, 2] = 0.75
    tissue = random.random((3, SIDE, SIDE)) < share
    axes = np.linalg.qr(random.normal(size=(2 * CHANNELS, SIZE)))[0]
    numbers = random.normal(size=2 * CHANNELS), random.random(2 * CHANNELS) + 0.5, axes
    learned = {}
    for name, count in (("descriptor", SIZE), ("content", CHANNELS)):
        root = random.normal(size=(count, count))
        learned[name] = Gaussian(*map(torch.from_numpy, (random.normal(size=count), root @ root.T)))
    nothing = torch.empty(0)
    found = Residuals(nothing, nothing, nothing, nothing, torch.from_numpy(features))
    return Measured(found, torch.from_numpy(tissue), Reference({}, learned, Basis(*map(torch.from_numpy, numbers))))


def by_hand(tiles: Measured, tile: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both maps of a tile, from the numbers of each cell by itself, and which cells count."""
    features, tissue = tiles.found.given[tile].numpy(), tiles.cells[tile].numpy()
    counted = tissue if tissue.any() else np.ones_like(tissue)
    mean, deviation = features[:, counted].mean(axis=1), features[:, counted].std(axis=1)
    basis, (of_basis, of_means) = tiles.reference.basis, (tiles.reference.learned[n] for n in ("descriptor", "content"))
    assert basis is not None
    centre, scale, axes = (part.numpy() for part in (basis.centre, basis.scale, basis.axes))
    whole = ((np.concatenate([mean, deviation]) - centre) / scale) @ axes - of_basis.mean.numpy()
    described, contained = np.zeros((2, SIDE, SIDE))
    for y, x in np.argwhere(counted):
        cell = features[:, y, x]
        square = [(f - m) ** 2 / s if s > 0 else 0.0 for f, m, s in zip(cell, mean, deviation, strict=True)]
        own = ((np.concatenate([cell, square]) - centre) / scale) @ axes - of_basis.mean.numpy()
        described[y, x] = own @ of_basis.precision.numpy() @ whole / SIZE
        away = mean - of_means.mean.numpy()
        contained[y, x] = (cell - of_means.mean.numpy()) @ of_means.precision.numpy() @ away / CHANNELS
    return described, contained, counted


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.1, 0.6, 1.0]))
def test_smoothing_keeps_the_mean_and_leaves_glass_alone(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    maps, cells = random.normal(size=(2, 9, 9)), random.random((2, 9, 9)) < share
    cells[0, 4, 4] = True
    found = spread(torch.from_numpy(maps), torch.from_numpy(cells)).numpy()
    assert (found[~cells] == 0).all()
    np.testing.assert_allclose((found * cells).sum(axis=(1, 2)), (maps * cells).sum(axis=(1, 2)), atol=1e-12)
    alone = np.zeros((1, 9, 9))
    alone[0, 4, 4] = 256.0
    everywhere = spread(torch.from_numpy(alone), torch.ones(1, 9, 9, dtype=torch.bool)).numpy()[0]
    np.testing.assert_allclose(everywhere[2:7, 2:7], np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]))


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.3, 0.8, 1.0]), st.booleans())
def test_each_cell_is_its_own_share_of_the_score(seed: int, share: float, constant: bool) -> None:
    tiles = measured(seed, share, constant=constant)
    learned = tiles.reference.learned
    maps = of_descriptor(tiles), of_content(tiles)
    scores = learned["descriptor"].distance(descriptor(tiles)), learned["content"].distance(content(tiles))
    for tile in range(3):
        *expected, counted = by_hand(tiles, tile)
        for found, by_cell, score in zip(maps, expected, scores, strict=True):
            largest = np.abs(by_cell).max()
            np.testing.assert_allclose(found[tile].numpy(), by_cell, rtol=1e-6, atol=1e-6 * largest)
            assert float(found[tile].numpy()[counted].mean()) == pytest.approx(float(score[tile]), rel=1e-9)
            assert (found[tile].numpy()[~counted] == 0).all()


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    """Of all tissue, of half glass, and of nothing but glass."""
    found = MemorySource(5).tiles.copy()
    found[1, :, : TILE // 2] = 250
    found[3] = 252
    return found


@pytest.mark.parametrize("rule", ["descriptor", "content"])
def test_the_mean_over_tissue_is_the_score_of_every_tile(rule: str, tiles: np.ndarray) -> None:
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(rule=rule)})
    scorer = Scorer(checkpoint.with_facts(config=config), CPU, 4)
    found = scorer.score(tiles, keep_maps=True)
    maps, tissue = found.anomaly_map, tissue_cells(to_unit(torch.from_numpy(tiles)), TILE // 4, 0.86).numpy()
    assert maps is not None
    assert (maps[1][~tissue[1]] == 0).all()
    assert not tissue[3].any()
    means = [one[cells if cells.any() else ...].mean() for one, cells in zip(maps, tissue, strict=True)]
    np.testing.assert_allclose(means, found.score, rtol=1e-4)
    np.testing.assert_array_equal(scorer.maps(tiles), maps)
    assert scorer.maps(tiles[:0]).shape == (0, TILE // 4, TILE // 4)


@pytest.mark.parametrize("rule", ["descriptor", "combined"])
def test_seen_from_a_slides_level_the_mean_is_the_adapted_score(rule: str, tiles: np.ndarray) -> None:
    """Adapted scores are computed from descriptors in half precision: each of their numbers is off by 2^-11 at most."""
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(rule=rule)})
    scorer, described = Scorer(checkpoint.with_facts(config=config), CPU, 4), checkpoint.descriptors
    assert described is not None
    found = scorer.score(tiles)
    assert found.descriptor is not None
    seen_from = standpoint(described.reference, described.reference.metric, found.descriptor, "anchors", np.arange(3))
    maps = scorer.maps(tiles, seen_from)
    adapted = seen_from.distance(found.descriptor)
    away = np.abs(found.descriptor - seen_from.level.centre)
    slope = 2 * away @ np.abs(seen_from.level.precision) / away.shape[1] / seen_from.scale
    rounding = 1.01 * (slope * np.abs(found.descriptor) * 2.0**-11).sum(axis=1) + 1e-4 * adapted
    means = maps.sum(axis=(1, 2)) / np.where(found.tissue_cells, found.tissue_cells, maps[0].size)
    assert (np.abs(means - adapted) <= rounding).all()
    assert (rounding < 0.01 * adapted).all()
    assert np.abs(means / found.score - 1).min() > 0.05, "these are other scores than the unadapted ones"
