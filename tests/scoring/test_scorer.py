"""The scorer against NumPy, and its independence of how tiles are batched."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage

from tests.model.tiny import LIMITS, TILE, tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.artefacts.flags import FLAGS, measure_all
from wsi_haloae.config import AUTO, CUSTOM, RULES, ScoringConfig, rule_words
from wsi_haloae.errors import CheckpointError
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.anomaly_map import dissimilarity_map
from wsi_haloae.model.residuals import residuals
from wsi_haloae.scoring.apply_rule import map_by, score_by
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.pooling import mean_over
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.tile_scores import TileScores

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
    assert found.layer_residuals.shape == found.layer_dissimilarities.shape == (1, len(scorer().layers))
    assert found.rules.shape == (1, len(scorer().rules))
    assert scorer().map_size == TILE // 4


@pytest.mark.parametrize("start", [0, 1, 3, 6])
def test_padding_of_the_last_batch_changes_no_bit(start: int, tiles: np.ndarray) -> None:
    """Each tile at the same place of its batch, with others or with padding behind it."""
    one = scorer()
    alone = one.score(tiles[start : start + 1], keep_maps=True)
    among = one.score(tiles[start:], keep_maps=True)
    for name in (field.name for field in fields(TileScores)):
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
    found = mean_over(maps, tissue)
    assert torch.isnan(found).tolist() == [False, True, False]


def test_the_mean_is_over_tissue_or_over_everything_where_there_is_none() -> None:
    maps = torch.tensor([[[1.0, 2.0], [3.0, 10.0]]]).expand(2, 2, 2)
    tissue = torch.tensor([[[True, False], [True, False]], [[False, False], [False, False]]])
    assert mean_over(maps, tissue).tolist() == [2.0, 4.0]


def test_the_rule_is_named() -> None:
    assert rule_words(ScoringConfig()) == "mean over tissue cells of |A_fm - mean training map|"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"normalisation": "signed"}, "mean over tissue cells of A_fm - mean training map"),
        ({"normalisation": "none", "glass_level": None}, "mean over all cells of A_fm"),
        ({"source": "image"}, "mean over tissue cells of |A_im - mean training map|"),
        ({"pooling": "max"}, "maximum over tissue cells of smoothed |A_fm - mean training map|"),
        ({"pooling": "max", "smooth": False}, "maximum over tissue cells of |A_fm - mean training map|"),
        ({"residual": "ssim", "normalisation": "none"}, "mean over tissue cells of (1 - SSIM)"),
        ({"pooling": "p95", "normalisation": "none", "smooth": False}, "95th percentile over tissue cells of A_fm"),
        ({"rule": "layers"}, "Mahalanobis distance of the layers' log residuals over tissue cells"),
        (
            {"rule": "layers_ssim", "glass_level": None},
            "Mahalanobis distance of the layers' log residuals and dissimilarities over all cells",
        ),
        ({"rule": "structure"}, "1 - SSIM of the deepest layer over tissue cells"),
        ({"rule": "content"}, "Mahalanobis distance of the features' means over tissue cells"),
        (
            {"rule": "profile", "glass_level": None},
            "Mahalanobis distance of the channels' log unexplained shares of variance over all cells",
        ),
        (
            {"rule": "combined", "glass_level": None},
            "mean of the standardised logs of the rules structure, profile and content over all cells",
        ),
        ({"rule": "classifier"}, "P(damaged) of the classifier"),
    ],
)
def test_every_rule_has_a_name_of_its_own(settings: dict[str, object], name: str) -> None:
    assert rule_words(ScoringConfig.model_validate(settings)) == name


def by_rule(tiles: np.ndarray, **settings: object) -> np.ndarray:
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig.model_validate(settings)})
    changed = replace(checkpoint, facts=checkpoint.facts.model_copy(update={"config": config}))
    return Scorer(changed, CPU, 4).score(tiles).score


@torch.no_grad()
def test_each_rule_scores_as_numpy_does(tiles: np.ndarray) -> None:
    checkpoint = tiny_checkpoint()
    images = normalise(to_unit(torch.from_numpy(tiles)), 1)
    output, cells = checkpoint.model(images), TILE // 4
    residual = ((output.features - output.reconstruction) ** 2).mean(dim=1).numpy()
    of_image = ((images - output.image) ** 2).mean(dim=1).numpy()
    of_image = of_image.reshape(7, cells, 4, cells, 4).mean(axis=(2, 4))
    mean_map, image_map = checkpoint.mean_map.numpy(), checkpoint.mean_image_map.numpy()
    everywhere = {"glass_level": None}
    close = {"rtol": 1e-4, "atol": 1e-6}
    means = (1, 2)
    np.testing.assert_allclose(by_rule(tiles, normalisation="none", **everywhere), residual.mean(axis=means), **close)
    np.testing.assert_allclose(
        by_rule(tiles, normalisation="signed", **everywhere), (residual - mean_map).mean(axis=means), **close
    )
    np.testing.assert_allclose(
        by_rule(tiles, source="image", **everywhere), np.abs(of_image - image_map).mean(axis=means), **close
    )
    np.testing.assert_allclose(
        by_rule(tiles, pooling="max", smooth=False, **everywhere), np.abs(residual - mean_map).max(axis=means), **close
    )
    damaged = 1 / (1 + np.exp(-output.logits.numpy()[:, 0]))
    np.testing.assert_allclose(by_rule(tiles, rule="classifier"), damaged, **close)


def test_every_rule_scores_and_none_as_another(tiles: np.ndarray) -> None:
    found = {name: by_rule(tiles, rule=name) for name in RULES if name != CUSTOM}
    for (one, scores), (other, theirs) in combinations(found.items(), 2):
        assert not (scores == theirs).all(), f"{one} is scored as {other}"
    assert all(np.isfinite(scores).all() for scores in found.values())


def test_a_rule_that_is_still_to_be_chosen_never_scores(tiles: np.ndarray) -> None:
    with pytest.raises(CheckpointError, match="never calibrated"):
        by_rule(tiles, rule=AUTO)


def test_structure_of_the_image_is_refused_and_not_left_out() -> None:
    with pytest.raises(ValidationError, match=r"set scoring\.residual=mse"):
        ScoringConfig(source="image", residual="ssim")


def test_the_maximum_is_over_tissue_or_over_everything_where_there_is_none(tiles: np.ndarray) -> None:
    everywhere = by_rule(tiles, pooling="max", glass_level=None)
    on_tissue = by_rule(tiles, pooling="max")
    assert np.isfinite(on_tissue).all()
    assert (on_tissue <= everywhere).all()
    assert on_tissue[4] == everywhere[4], "nothing but glass"


def test_the_structural_residual_is_none_where_the_reconstruction_is_perfect() -> None:
    x = torch.rand(2, 3, 12, 12)
    assert dissimilarity_map(x, x, None).abs().max() < 1e-6
    assert dissimilarity_map(x, 1 - x, None).mean() > 0.5
    assert dissimilarity_map(x, 1 - x, None).shape == (2, 3, 12, 12)


def test_every_rule_is_the_score_of_a_model_that_is_configured_so(tiles: np.ndarray) -> None:
    found = scorer().score(tiles)
    for number, name in enumerate(scorer().rules):
        np.testing.assert_array_equal(found.rules[:, number], by_rule(tiles, rule=name), err_msg=name)
    np.testing.assert_array_equal(found.score_paper, by_rule(tiles, rule="paper"))


def test_a_rule_of_a_map_is_the_custom_rule_with_its_pieces(tiles: np.ndarray) -> None:
    for name, rule in RULES.items():
        if rule.numbers is None and rule.shows is None:
            cells = {"glass_level": None} if rule.cells == "all" else {}
            settings = {**rule.pieces, **cells}
            np.testing.assert_array_equal(by_rule(tiles, rule=name), by_rule(tiles, **settings), err_msg=name)
            assert rule_words(ScoringConfig(rule=name)) == rule_words(ScoringConfig.model_validate(settings))


def test_the_auto_encoder_is_part_of_the_scores_whose_row_says_so(tiles: np.ndarray) -> None:
    before, blunted = scorer(), tiny_checkpoint()
    with torch.no_grad():
        for weights in (*blunted.model.encoder.parameters(), *blunted.model.decoder.parameters()):
            weights.mul_(0.5)
    found, changed = before.score(tiles).rules, Scorer(blunted, CPU, 4).score(tiles).rules
    for place, name in enumerate(before.rules):
        moved = not np.array_equal(found[:, place], changed[:, place])
        assert moved == RULES[name].uses_autoencoder, name


def test_rules_that_take_time_are_computed_on_request_and_change_no_other_number(tiles: np.ndarray) -> None:
    every, usual = scorer(), Scorer(tiny_checkpoint(), CPU, 4, all_rules=False)
    assert [name for name in every.rules if name not in usual.rules] == ["ssim", "ssim_p95", "layers_ssim"]
    found, expected = usual.score(tiles, keep_maps=True), every.score(tiles, keep_maps=True)
    kept = [every.rules.index(name) for name in usual.rules]
    np.testing.assert_array_equal(found.rules, expected.rules[:, kept])
    np.testing.assert_array_equal(found.layer_dissimilarities[:, -1], expected.layer_dissimilarities[:, -1])
    assert np.isnan(found.layer_dissimilarities[:, :-1]).all()
    for field in {one.name for one in fields(TileScores)} - {"rules", "layer_dissimilarities"}:
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)


@pytest.mark.parametrize("name", ["ssim", "ssim_p95", "layers_ssim"])
def test_the_models_own_rule_needs_no_request(tiles: np.ndarray, name: str) -> None:
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(rule=name)})
    own = Scorer(checkpoint.with_facts(config=config), CPU, 4, all_rules=False)
    found = own.score(tiles).rules[:, own.rules.index(name)]
    np.testing.assert_array_equal(found, scorer().score(tiles).rules[:, scorer().rules.index(name)])


@torch.inference_mode()
def test_what_the_table_says_must_be_compared_is_enough_for_each_rule(tiles: np.ndarray) -> None:
    checkpoint = tiny_checkpoint()
    config, reference = checkpoint.facts.config, Reference.of(checkpoint, CPU)
    for name in scorer().rules:
        rule, unit = RULES[name], to_unit(torch.from_numpy(tiles))
        found = residuals(checkpoint.model, unit, checkpoint.feature_range, config, compared=rule.compared)
        measured = Measured(found, torch.ones_like(found.squared, dtype=torch.bool), reference)
        assert score_by(rule, measured, config.scoring).isfinite().all(), name
        assert map_by(rule, measured, config.scoring).isfinite().all(), name
        assert (found.layer_dissimilarities is None) == (rule.compared == "none")


def test_rules_without_their_statistics_are_left_out() -> None:
    bare = Scorer(replace(tiny_checkpoint(), gaussians={}), CPU, 4)
    assert set(scorer().rules) - set(bare.rules) == {
        name for name, rule in RULES.items() if rule.taught_by and rule.in_stores
    }
    gaussians = {name: one for name, one in tiny_checkpoint().gaussians.items() if name != "profile"}
    without = Scorer(replace(tiny_checkpoint(), gaussians=gaussians), CPU, 4)
    assert set(scorer().rules) - set(without.rules) == {"profile", "combined"}, "combined builds on profile"


def test_rules_of_features_keep_the_features_mean_map_where_the_image_is_scored(tiles: np.ndarray) -> None:
    checkpoint = tiny_checkpoint()
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(source="image")})
    of_image = Scorer(checkpoint.with_facts(config=config), CPU, 4).score(tiles)
    np.testing.assert_array_equal(of_image.rules, scorer().score(tiles).rules)


def test_the_combined_rule_is_made_of_three_others(tiles: np.ndarray) -> None:
    checkpoint, scores = tiny_checkpoint(), scorer().score(tiles)
    parts = [scores.rules[:, scorer().rules.index(name)] for name in ("structure", "profile", "content")]
    structure = parts[0]
    np.testing.assert_allclose(structure, scores.layer_dissimilarities[:, -1], rtol=1e-5)
    usual = checkpoint.gaussians["combined"]
    away = np.log(np.stack(parts, axis=1)) - usual.mean.numpy()
    expected = np.maximum(away * np.sqrt(usual.precision.diagonal().numpy()), -1).mean(axis=1)
    np.testing.assert_allclose(scores.rules[:, scorer().rules.index("combined")], expected, rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_the_map_of_a_rule_of_structure_shows_where_it_is_lost(tiles: np.ndarray) -> None:
    checkpoint = tiny_checkpoint()
    features = checkpoint.model.features(normalise(to_unit(torch.from_numpy(tiles)), 1))
    unlike = dissimilarity_map(features, checkpoint.model.reconstruct(features), checkpoint.feature_range)
    deepest = unlike[:, -checkpoint.model.backbone.layer_channels[-1] :].mean(dim=1).numpy()
    kernel = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    expected = [ndimage.convolve(one, kernel, mode="mirror") for one in deepest]
    for rule in ("structure", "profile", "combined"):
        config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig(rule=rule)})
        changed = replace(checkpoint, facts=checkpoint.facts.model_copy(update={"config": config}))
        maps = Scorer(changed, CPU, 7).score(tiles, keep_maps=True).anomaly_map
        np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-5)


def test_the_p_value_is_that_of_the_score(tiles: np.ndarray) -> None:
    found, checkpoint = scorer().score(tiles), tiny_checkpoint()
    np.testing.assert_array_equal(found.p_value, checkpoint.calibration.p_values(found.score))
    uncalibrated = Scorer(replace(checkpoint, calibration=None), CPU, 4).score(tiles)
    assert np.isnan(uncalibrated.p_value).all()


def test_artefacts_are_flagged_by_the_checkpoints_limits(tiles: np.ndarray) -> None:
    found, level = scorer().score(tiles), tiny_checkpoint().facts.config.scoring.glass_level
    np.testing.assert_array_equal(found.artefacts, measure_all(tiles, level))
    np.testing.assert_array_equal(found.flags, LIMITS.flags(measure_all(tiles, level)))
    assert found.flags[4] & FLAGS["mostly_glass"].bit
    assert not found.flags[0] & FLAGS["mostly_glass"].bit
    facts = tiny_checkpoint().facts.model_copy(update={"artefacts": None})
    assert not Scorer(replace(tiny_checkpoint(), facts=facts), CPU, 4).score(tiles).flags.any()


def test_dissimilarities_are_those_of_the_layers(tiles: np.ndarray) -> None:
    checkpoint = tiny_checkpoint()
    with torch.no_grad():
        features = checkpoint.model.features(normalise(to_unit(torch.from_numpy(tiles)), 1))
        unlike = dissimilarity_map(features, checkpoint.model.reconstruct(features), checkpoint.feature_range).numpy()
    edges = np.cumsum([0, *checkpoint.model.backbone.layer_channels])
    expected = [unlike[0, low:high].mean() for low, high in pairwise(edges)]
    np.testing.assert_allclose(scorer().score(tiles[:1]).layer_dissimilarities[0], expected, rtol=1e-4)
