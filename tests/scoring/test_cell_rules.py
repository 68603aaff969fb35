"""Rules of cells, whitened, layers_apart and cosine: against loops in double precision, learned, scored and shown."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from tests.model.tiny import TILE, tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.config import AUTO, RULES, Config, ScoringConfig, candidates, load_config
from wsi_haloae.errors import CheckpointError, ConfigError, UsageError
from wsi_haloae.features.preprocessing import normalise, tissue_cells, to_unit
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.cosine import Directions
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.whitening import PlaceMeans, SecondMoment, precision_root, whitened_map
from wsi_haloae.mvtec.image_learning import learn_rule
from wsi_haloae.scoring.image_scorer import image_residuals, score_residuals
from wsi_haloae.scoring.learning import rounds
from wsi_haloae.scoring.rules.whitened import CovarianceLearner
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.torchscript import as_torchscript
from wsi_haloae.training.calibrate import learn_rules
from wsi_haloae.training.job import TrainingData

CPU = torch.device("cpu")
NAMES = ("whitened", "layers_apart", "cosine")


def asking(checkpoint: Checkpoint, **scoring: object) -> Checkpoint:
    config = checkpoint.facts.config.model_copy(update={"scoring": ScoringConfig.model_validate(scoring)})
    return checkpoint.with_facts(config=config)


def explained(checkpoint: Checkpoint, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features and reconstruction (n, C, m, m) of the plain model, and tissue (n, m, m)."""
    unit = to_unit(torch.from_numpy(tiles))
    with torch.no_grad():
        features = checkpoint.model.features(normalise(unit, 1))
        rebuilt = checkpoint.model.reconstruct(features)
    return features.double().numpy(), rebuilt.double().numpy(), tissue_cells(unit, TILE // 4, 0.86).numpy()


@given(st.integers(0, 2**16))
@settings(max_examples=25)
def test_the_whitened_map_is_the_quadratic_form(seed: int) -> None:
    random = np.random.default_rng(seed)
    mixing, residual = random.normal(size=(6, 6)), random.normal(size=(2, 6, 3, 3))
    precision = np.linalg.inv(mixing @ mixing.T + 0.1 * np.eye(6))
    root = precision_root(Gaussian(torch.zeros(6), torch.from_numpy(precision)), 6)
    found = whitened_map(torch.from_numpy(residual), root).numpy()
    for tile, y, x in np.ndindex(2, 3, 3):
        r = residual[tile, :, y, x]
        assert found[tile, y, x] == pytest.approx(r @ precision @ r / 6, rel=1e-6)


def test_a_precision_that_is_none_is_damage() -> None:
    for precision in (-torch.eye(3), torch.eye(2)):
        with pytest.raises(CheckpointError, match="inverse covariance of 3 channels"):
            precision_root(Gaussian(torch.zeros(3), precision), 3)


def test_with_one_cell_a_tile_the_shrinkage_is_ledoit_and_wolfs() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 8)) * np.linspace(0.5, 2, 8)
    moment = SecondMoment()
    for vector in torch.from_numpy(vectors):
        moment.add(vector[:, None, None], torch.ones(1, 1, dtype=torch.bool))
    np.testing.assert_allclose(moment.shrunk(), ledoit_wolf(vectors, assume_centered=True)[0], rtol=1e-6, atol=1e-9)


def test_copies_of_a_cell_within_a_tile_are_no_more_samples() -> None:
    random = np.random.default_rng(0)
    once, often = SecondMoment(), SecondMoment()
    for _ in range(10):
        vector = torch.from_numpy(random.normal(size=(5, 1, 1)))
        once.add(vector, torch.ones(1, 1, dtype=torch.bool))
        often.add(vector.expand(5, 8, 8), torch.ones(8, 8, dtype=torch.bool))
    np.testing.assert_allclose(often.shrunk(), once.shrunk(), rtol=1e-6, atol=1e-12)


def test_means_of_places_are_kept_as_far_as_they_are_no_noise() -> None:
    random = np.random.default_rng(0)
    usual, lying_anyhow = 3 * random.normal(size=(2, 16, 16)), PlaceMeans()
    aligned = PlaceMeans()
    for _ in range(20):
        noise = torch.from_numpy(random.normal(size=(2, 16, 16)))
        aligned.add(torch.from_numpy(usual) + noise)
        lying_anyhow.add(noise)
    np.testing.assert_allclose(aligned.shrunk(), usual, atol=1.2)
    assert lying_anyhow.shrunk().square().mean() < 0.2 / 20


@pytest.mark.parametrize("groups", [((0,), (1,), (2,)), ((0, 2), (1,)), ((0, 1, 2),)])
@pytest.mark.parametrize("centred", [False, True])
def test_the_cosine_map_is_that_of_a_loop(centred: bool, groups: tuple[tuple[int, ...], ...]) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 2, 7, 3, 3))
    x[0, :, 0, 0] = 0
    edges = [(0, 2), (2, 3), (3, 7)]
    found = Directions((2, 1, 4), groups, centred).apart(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    if centred:
        x, y = (one - x.mean(axis=(2, 3), keepdims=True) for one in (x, y))
    for tile, row, column in np.ndindex(2, 3, 3):
        unlike = []
        for group in groups:
            a, b = (
                np.concatenate([one[tile, slice(*edges[n]), row, column] for n in group]).tolist() for one in (x, y)
            )
            lengths = np.linalg.norm(a) * np.linalg.norm(b)
            unlike.append(1 - (np.dot(a, b) / lengths if lengths else 0))
        assert found[tile, row, column] == pytest.approx(np.mean(unlike), abs=1e-12)


def test_every_layer_is_a_group_unless_the_loss_names_some() -> None:
    assert Directions.of(Config(), (2, 1, 4)) == Directions((2, 1, 4), ((0,), (1,), (2,)), centred=False)


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_maps_are_those_of_a_loop_over_cells(name: str) -> None:
    checkpoint, tiles = asking(tiny_checkpoint(), rule=name, smooth=False), MemorySource(3).tiles.copy()
    tiles[1, :, : TILE // 2] = 250
    found = Scorer(checkpoint, CPU, 4).score(tiles, keep_maps=True)
    features, rebuilt, tissue = explained(checkpoint, tiles)
    widths = np.cumsum([0, *checkpoint.model.backbone.layer_channels])
    usual = checkpoint.gaussians.get(name)
    for tile, y, x in np.ndindex(tissue.shape):
        f, r = features[tile, :, y, x], rebuilt[tile, :, y, x]
        layers = [(f[a:b], r[a:b]) for a, b in pairwise(widths)]
        if name == "whitened":
            expected = (f - r) @ usual.precision.double().numpy() @ (f - r) / len(f)
        elif name == "layers_apart":
            each = np.array([np.mean((a - b) ** 2) for a, b in layers])
            expected = ((each - usual.mean.numpy()) * np.sqrt(usual.precision.diagonal().numpy())).max()
        else:
            expected = np.mean([1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in layers])
        assert found.anomaly_map[tile, y, x] == pytest.approx(expected * tissue[tile, y, x], rel=1e-3, abs=1e-4)
    means = [one[cells].mean() for one, cells in zip(found.anomaly_map, tissue, strict=True)]
    np.testing.assert_allclose(found.score, means, rtol=1e-5)
    smoothed = asking(checkpoint, rule=name)
    spread = Scorer(smoothed, CPU, 4).score(tiles, keep_maps=True)
    np.testing.assert_array_equal(spread.score, found.score)
    means = [one[cells].mean() for one, cells in zip(spread.anomaly_map, tissue, strict=True)]
    np.testing.assert_allclose(spread.score, means, rtol=1e-5)


def test_they_are_learned_from_the_cells_of_held_out_tiles() -> None:
    source, checkpoint = MemorySource(6), asking(tiny_checkpoint(), rule="layers_apart", also=["whitened"])
    source.tiles[4, :, : TILE // 2] = 250
    teachers = {"train": np.arange(4), "validation": np.array([3, 4, 5])}
    learned = learn_rules(replace(checkpoint, gaussians={}), source, teachers, CPU, lambda _: None).gaussians
    features, rebuilt, tissue = explained(checkpoint, source.tiles[3:])
    residual = features - rebuilt
    edges = np.cumsum([0, *checkpoint.model.backbone.layer_channels])
    layers = np.stack([(residual[:, a:b] ** 2).mean(axis=1)[tissue] for a, b in pairwise(edges)], axis=1)
    np.testing.assert_allclose(learned["layers_apart"].mean, layers.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(learned["layers_apart"].precision.diagonal(), layers.var(axis=0) ** -1, rtol=1e-2)
    moment = SecondMoment()
    for one, cells in zip(residual, tissue, strict=True):
        moment.add(torch.from_numpy(one), torch.from_numpy(cells))
    identity = moment.shrunk().numpy() @ learned["whitened"].precision.double().numpy()
    np.testing.assert_allclose(identity, np.eye(len(identity)), atol=0.02)
    assert not learned["whitened"].mean.any()


def test_only_what_was_asked_for_is_learned_and_computed() -> None:
    checkpoint = tiny_checkpoint()
    assert not {*NAMES} & {*Scorer(checkpoint, CPU, 4).rules}
    also = asking(checkpoint, rule="combined", also=["cosine", "whitened"])
    assert Scorer(also, CPU, 4).rules[-2:] == ("whitened", "cosine")
    assert Scorer(replace(also, gaussians={}), CPU, 4).rules[-1] == "cosine", "no statistics, no column"
    found, own = Scorer(also, CPU, 4).score(MemorySource(3).tiles), Scorer(asking(checkpoint, rule="whitened"), CPU, 4)
    np.testing.assert_array_equal(found.rules[:, -2], own.score(MemorySource(3).tiles).score)
    assert {rule.name for rules in rounds("combined", "whitened") for rule in rules} >= {"combined", "whitened"}
    assert not any(RULES["whitened"] in rules for rules in rounds(AUTO))


def test_a_word_in_its_row_makes_auto_choose_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "whitened", replace(RULES["whitened"], auto_says="residuals by their covariance"))
    assert candidates()[0] == "whitened"
    assert any(RULES["whitened"] in rules for rules in rounds(AUTO))
    assert "whitened" in Scorer(tiny_checkpoint(), CPU, 4).rules


@pytest.mark.parametrize(("name", "told"), [("tissue", "every model has it already"), ("whitend", "no such rule")])
def test_what_need_not_be_asked_for_is_refused(name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"{told}; rules that must be asked for: whitened, layers_apart, cosine"):
        load_config(None, [f"scoring.also=[{name}]"])


@pytest.mark.parametrize("pooling", ["mean", "p95", "max"])
def test_pooling_is_free_and_a_map_adds_up_to_means_alone(pooling: str) -> None:
    scoring = load_config(None, ["scoring.rule=whitened", f"scoring.pooling={pooling}"]).scoring
    assert scoring.map_adds_up == (pooling == "mean")
    checkpoint = asking(tiny_checkpoint(), rule="whitened", pooling=pooling)
    found = Scorer(checkpoint, CPU, 4).score(MemorySource(3).tiles, keep_maps=True)
    pooled = {"mean": np.mean, "max": np.max, "p95": lambda one: np.quantile(one, 0.95)}[pooling]
    np.testing.assert_allclose(found.score, [pooled(one) for one in found.anomaly_map], rtol=1e-5)


@pytest.mark.parametrize("name", ["whitened", "layers_apart"])
def test_images_teach_their_rule_and_an_aligned_one_its_places(name: str, tmp_path: Path) -> None:
    source = MemorySource(8)
    noise = np.random.default_rng(0).integers(-9, 9, source.tiles.shape)
    source.tiles[:] = (source.tiles[:1].astype(int) + noise).clip(0, 255)  # the same object in every image
    unaware = replace(asking(tiny_checkpoint(), rule=name, glass_level=None, pooling="max"), gaussians={})
    checkpoint = learn_rule(unaware, TrainingData(source, np.arange(4), np.arange(4, 8)), CPU)
    assert list(checkpoint.gaussians) == [name]
    path = tmp_path / "model.safetensors"
    checkpoint.save(path)
    again = Checkpoint.load(path)
    found = score_residuals(image_residuals(again, [source.tiles[:3]], CPU, lambda _: None), again)
    np.testing.assert_allclose(found.score, found.maps.numpy().max(axis=(1, 2)))
    if name == "layers_apart":
        assert again.place_means is None
        return
    assert again.place_means.shape == (again.model.backbone.channels, TILE // 4, TILE // 4)
    features, rebuilt, _ = explained(again, source.tiles[:3])
    residual = features - rebuilt - again.place_means.numpy()
    assert (residual**2).mean() < 0.2 * ((features - rebuilt) ** 2).mean(), "most of it is the same in each image"
    plain = asking(again, rule=name, glass_level=None, smooth=False)
    maps = score_residuals(image_residuals(plain, [source.tiles[:3]], CPU, lambda _: None), plain).maps
    precision = again.gaussians[name].precision.double().numpy()
    expected = np.einsum("bchw,cd,bdhw->bhw", residual, precision, residual) / len(precision)
    np.testing.assert_allclose(maps, expected, rtol=0.02)


def test_a_model_that_lacks_what_its_rule_learns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    replace(asking(tiny_checkpoint(), rule="whitened"), gaussians={}).save(path)
    with pytest.raises(CheckpointError, match="statistics of scoring rule 'whitened' are missing"):
        Checkpoint.load(path)


@pytest.mark.parametrize("name", NAMES)
def test_they_run_as_torchscript(name: str) -> None:
    assert as_torchscript(asking(tiny_checkpoint(), rule=name))


def test_exact_reconstruction_is_told() -> None:
    learner = CovarianceLearner()
    learner._found.add(torch.zeros(3, 2, 2), torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(UsageError, match="rebuilt exactly"):
        learner.learned()
