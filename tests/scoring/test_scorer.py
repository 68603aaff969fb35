"""The scorer against NumPy, and its independence of how tiles are batched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from tests.model.tiny import TILE, tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.model.preprocessing import normalise, to_unit
from wsi_haloae.scoring.scorer import RULE, Scorer, _mean_over

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    """Seven tiles: of all tissue, of half glass, of nothing but glass, and a black one."""
    found = MemorySource(7).tiles.copy()
    found[2, :, : TILE // 2] = 250
    found[4] = 252
    found[5] = 0
    return found


def scorer(batch_size: int = 4) -> Scorer:
    return Scorer(tiny_checkpoint(), CPU, batch_size)


def test_results_equal_numpy(tiles: np.ndarray) -> None:
    found = scorer().score(tiles, keep_maps=True)
    checkpoint = tiny_checkpoint()
    with torch.no_grad():
        features = checkpoint.model.features(normalise(to_unit(torch.from_numpy(tiles)), 1))
        squared = (features - checkpoint.model.reconstruct(features)).double().numpy() ** 2
    cells = TILE // 4
    mean_colour = tiles.reshape(7, cells, 4, cells, 4, 3).mean(axis=(2, 4)) / 255
    tissue = mean_colour.min(axis=-1) < checkpoint.facts.config.scoring.glass_level
    residual = squared.mean(axis=1)
    deviation = np.abs(residual - checkpoint.mean_map.numpy())
    edges = np.cumsum([0, *checkpoint.model.backbone.layer_channels])
    assert tissue[2].sum() == cells * cells // 2
    assert not tissue[4].any()
    for number in range(7):
        counted = tissue[number] if tissue[number].any() else np.ones((cells, cells), bool)
        assert found.score[number] == pytest.approx(deviation[number][counted].mean(), rel=1e-4)
        assert found.score_paper[number] == pytest.approx(residual[number].mean(), rel=1e-4)
        assert found.tissue_cells[number] == tissue[number].sum()
        for layer in range(len(edges) - 1):
            own = squared[number, edges[layer] : edges[layer + 1]].mean(axis=0)
            assert found.layer_residuals[number, layer] == pytest.approx(own[counted].mean(), rel=1e-4)
        smoothed = ndimage.convolve(deviation[number], np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25]), mode="mirror")
        np.testing.assert_allclose(found.anomaly_map[number], smoothed, rtol=1e-4, atol=1e-6)


def test_types_are_those_of_the_store(tiles: np.ndarray) -> None:
    found = scorer().score(tiles[:1])
    assert found.anomaly_map is None
    assert (found.score.dtype, found.score_paper.dtype, found.layer_residuals.dtype) == (np.float32,) * 3
    assert found.tissue_cells.dtype == np.int32
    assert found.layer_residuals.shape == (1, len(scorer().layers))
    assert scorer().map_size == TILE // 4


@pytest.mark.parametrize("start", [0, 1, 3, 6])
def test_padding_of_the_last_batch_changes_no_bit(start: int, tiles: np.ndarray) -> None:
    """Each tile at the same place of its batch, with others or with padding behind it."""
    one = scorer()
    alone = one.score(tiles[start : start + 1], keep_maps=True)
    among = one.score(tiles[start:], keep_maps=True)
    for name in ("score", "score_paper", "layer_residuals", "tissue_cells", "anomaly_map"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(among, name)[0], err_msg=name)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_the_batch_size_does_not_matter_beyond_rounding(batch_size: int, tiles: np.ndarray) -> None:
    found, expected = scorer(batch_size).score(tiles), scorer(4).score(tiles)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)
    np.testing.assert_allclose(found.score_paper, expected.score_paper, rtol=1e-5)
    np.testing.assert_array_equal(found.tissue_cells, expected.tissue_cells)


def test_the_order_of_tiles_is_kept(tiles: np.ndarray) -> None:
    forwards, backwards = scorer(3).score(tiles), scorer(3).score(tiles[::-1].copy())
    np.testing.assert_allclose(forwards.score, backwards.score[::-1], rtol=1e-5)
    assert len(set(forwards.score.round(4).tolist())) == 7


def test_a_number_that_is_none_stays_in_its_own_tile() -> None:
    maps = torch.ones(3, 2, 2)
    maps[1, 0, 0] = torch.nan
    tissue = torch.ones(3, 2, 2, dtype=torch.bool)
    found = _mean_over(maps, tissue)
    assert torch.isnan(found).tolist() == [False, True, False]


def test_the_mean_is_over_tissue_or_over_everything_where_there_is_none() -> None:
    maps = torch.tensor([[[1.0, 2.0], [3.0, 10.0]]]).expand(2, 2, 2)
    tissue = torch.tensor([[[True, False], [True, False]], [[False, False], [False, False]]])
    assert _mean_over(maps, tissue).tolist() == [2.0, 4.0]


def test_the_rule_is_named() -> None:
    assert RULE == "mean over tissue cells of |A_fm - mean training map|"
