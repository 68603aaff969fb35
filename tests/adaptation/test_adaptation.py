"""Adaptation: exact against slow references, and right on Gaussian slides whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

from wsi_haloae.adaptation.adapt import Adapted, Asked, adapt
from wsi_haloae.adaptation.core import FEWEST, LEAST, SHARE, find_core
from wsi_haloae.adaptation.metric import Level, Metric
from wsi_haloae.adaptation.neighbourhood import local_median, nowhere
from wsi_haloae.adaptation.reference import DOUBTFUL, LOOSEST, HeldOut, ReferenceDescriptors
from wsi_haloae.adaptation.standpoint import Mode, calibration_scores, standpoint
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import auroc

SIZE = 64
NUISANCE = np.arange(SIZE) < 2
"""Stains and scanners move the first two numbers, and no others."""


def covariance(random: np.random.Generator, size: int = SIZE) -> NDArray[np.float64]:
    root = random.normal(size=(size, 2 * size))
    return root @ root.T / (2 * size) + 0.1 * np.eye(size)


def reference(groups: int = 4, tiles: int = 100, folds: int = 2) -> ReferenceDescriptors:
    """Tiles of slides that differ in the first two numbers by 5, and within one by 1; all folds have one metric."""
    random = np.random.default_rng(0)
    across = np.diag(np.where(NUISANCE, 25.0, 0.0)) + np.eye(SIZE)
    metric = Metric(np.zeros(SIZE), np.eye(SIZE), across)
    offsets = np.repeat(random.normal(size=(groups, SIZE)) * np.where(NUISANCE, 5, 0), tiles, axis=0)
    held_out = (offsets + random.normal(size=offsets.shape)).astype(np.float16)
    numbers = np.repeat(np.arange(groups, dtype=np.int32), tiles)
    parts = [numbers % folds == fold for fold in range(folds)]
    positions = np.concatenate([area(tiles, group) for group in range(groups)])
    held_out_in = (HeldOut(metric, held_out[own], numbers[own], positions[own]) for own in parts)
    return ReferenceDescriptors(metric, tuple(held_out_in))


def area(tiles: int, slide: int = 0) -> NDArray[np.float32]:
    """Positions of tiles in rows of ten, 128 µm apart."""
    row, column = np.divmod(np.arange(tiles), 10)
    return np.stack([np.full(tiles, slide), 128 * column, 128 * row], axis=1).astype(np.float32)


def slide(
    usual: int, strange: int, *, offset: float = 8.0, far: float = 8.0, axis: int = 5, wide: float = 1.5
) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Reference tiles of a slide far away in a nuisance, and anomalous ones; which are anomalous."""
    random = np.random.default_rng(1)
    tiles = random.normal(size=(usual + strange, SIZE)) + offset * NUISANCE
    tiles[usual:] = wide * (tiles[usual:] - offset * NUISANCE) + offset * NUISANCE + far * (np.arange(SIZE) == axis)
    return tiles.astype(np.float16), np.arange(usual + strange) >= usual


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_the_level_is_the_posterior_of_the_slides_offset(seed: int, anchors: int) -> None:
    """Against the conditional distribution of one tile given the anchors, from their joint Gaussian."""
    random = np.random.default_rng(seed)
    metric = Metric(random.normal(size=3), covariance(random, 3), covariance(random, 3))
    marked, tile = random.normal(size=(anchors, 3)), random.normal(size=(1, 3))
    joint = np.kron(np.ones((anchors + 1,) * 2), metric.across) + np.kron(np.eye(anchors + 1), metric.within)
    seen, new = slice(0, 3 * anchors), slice(3 * anchors, None)
    gain = joint[new, seen] @ np.linalg.inv(joint[seen, seen]) if anchors else np.zeros((3, 0))
    mean = metric.mean + gain @ (marked - metric.mean).ravel()
    left = joint[new, new] - gain @ joint[seen, new]
    level = metric.level(marked)
    assert np.allclose(level.centre, mean)
    assert np.allclose(level.precision, np.linalg.inv(left))
    expected = -2 * multivariate_normal(mean, left).logpdf(tile) - np.linalg.slogdet(2 * np.pi * left)[1]
    assert np.allclose(level.distance(tile) * 3, expected, rtol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_each_anchor_is_compared_with_the_level_of_the_others(seed: int, anchors: int) -> None:
    random = np.random.default_rng(seed)
    metric = Metric(random.normal(size=3), covariance(random, 3), covariance(random, 3))
    marked = random.normal(size=(anchors, 3))
    slow = [metric.level(np.delete(marked, n, axis=0)).distance(marked[n : n + 1])[0] for n in range(anchors)]
    assert np.allclose(metric.distances_from_others(marked), slow, rtol=1e-4)


def test_a_core_tells_as_much_on_a_large_slide_as_on_a_small_one() -> None:
    """Else calibration slides, which are small, would be scored more mildly than slides."""
    known, tiles = reference(), slide(2000, 0)[0]
    nobody = np.empty(0, np.int64)
    large, small = (standpoint(known, known.metric, some, "slide", nobody) for some in (tiles, tiles[: 2 * FEWEST]))
    assert (large.tiles, small.tiles) == (100, LEAST)
    assert np.allclose(large.level.precision, small.level.precision)
    assert np.allclose(known.metric.level(tiles[:5], worth=5).centre, known.metric.level(tiles[:5]).centre)


def test_distances_in_parts_are_those_of_the_whole() -> None:
    random = np.random.default_rng(0)
    tiles, spread = random.normal(size=(20_000, SIZE)), covariance(random)
    level = Level.of(random.normal(size=SIZE), spread)
    slow = cdist(tiles, level.centre[None], "mahalanobis", VI=np.linalg.inv(spread))[:, 0] ** 2 / SIZE
    assert np.allclose(level.distance(tiles), slow, rtol=1e-5)


@pytest.mark.parametrize("strange", [0, 100, 400, 1000])
def test_the_core_is_reference_tissue_however_little_there_is(strange: int) -> None:
    tiles, anomalous = slide(300, strange)
    core = find_core(tiles, reference().metric)
    assert not anomalous[core.numbers].any()
    assert len(core.numbers) == round(SHARE * len(tiles))


def scores(adapted: Adapted, anomalous: NDArray[np.bool_]) -> float:
    return auroc(adapted.scores, anomalous)


def test_a_shifted_slide_is_right_once_it_is_adapted() -> None:
    """The anomaly lies where stains lie, so it is only seen beside the slide's own stains."""
    tiles, anomalous = slide(300, 300, far=8, axis=0, wide=1)
    everything, known = np.ones(600, np.bool_), reference()
    none, own, marked = (
        adapt(known, tiles, everything, asked, np.arange(5) if asked == "anchors" else None)
        for asked in ("none", "slide", "anchors")
    )
    assert scores(none, anomalous) < 0.85
    assert scores(own, anomalous) > 0.97
    assert scores(marked, anomalous) > 0.95
    for adapted in (own, marked):
        p_values = adapted.calibration.p_values(adapted.scores)
        assert np.mean(p_values[~anomalous] <= 0.05) < 0.09
    assert own.standpoint.tiles == 30
    assert marked.standpoint.tiles == 5
    assert adapt(known, tiles, everything, "auto").standpoint.mode == "slide"
    assert adapt(known, tiles, everything, "auto", np.arange(3)).standpoint.mode == "anchors"


@pytest.mark.parametrize("asked", ["none", "slide", "anchors"])
def test_ranges_of_maps_widen_as_held_out_scores_do(asked: Asked) -> None:
    known, (tiles, _) = reference(), slide(100, 0)
    everything, marked = np.ones(len(tiles), np.bool_), np.arange(5)
    adapted = adapt(known, tiles, everything, asked, marked if asked == "anchors" else None)
    without = adapt(known, tiles, everything, "none").display_range[1]
    assert adapted.widening == pytest.approx(adapted.display_range[1] / without)
    assert (adapted.widening == 1) == (asked == "none")


def test_a_slide_without_reference_tissue_is_not_its_own_level() -> None:
    tiles, _ = slide(0, 500)
    adapted = adapt(reference(), tiles, np.ones(500, np.bool_))
    assert adapted.standpoint.mode == "none"
    assert "--anchors" in adapted.note
    assert "--adapt slide" in adapted.note
    forced = adapt(reference(), tiles, np.ones(500, np.bool_), "slide")
    assert forced.standpoint.mode == "slide"
    assert "times as much as reference tiles do" in forced.note


def test_a_core_that_spreads_doubtfully_far_is_used_with_a_note() -> None:
    known, everything = reference(), np.ones(500, np.bool_)
    found: dict[tuple[str, bool], list[float]] = {}
    for wide in np.arange(1, 1.6, 0.02).tolist():
        tiles, _ = slide(0, 500, wide=wide)
        adapted = adapt(known, tiles, everything)
        kind = (adapted.standpoint.mode, bool(adapted.note))
        found.setdefault(kind, []).append(known.looseness(find_core(tiles, known.metric)))
    assert set(found) == {("slide", False), ("slide", True), ("none", True)}
    assert max(found["slide", False]) <= DOUBTFUL < min(found["slide", True])
    assert max(found["slide", True]) <= LOOSEST < min(found["none", True])


def test_nobody_doubts_a_slide_that_taught_the_model() -> None:
    known, everything = reference(), np.ones(500, np.bool_)
    notes = set[tuple[str, bool]]()
    for wide in (1.0, *np.arange(1.3, 1.6, 0.02).tolist()):
        tiles, _ = slide(0, 500, wide=wide)
        other, own = (adapt(known, tiles, everything, holds_reference=holds) for holds in (False, True))
        np.testing.assert_array_equal(own.scores, other.scores)
        assert "perhaps none" not in own.note
        notes.add((other.note[:12], bool(own.note)))
    assert notes == {("", False), ("Its most ref", False), ("Not adapted ", True)}


@pytest.mark.parametrize("tiles", [8, 80])
def test_cores_of_any_size_spread_alike(tiles: int) -> None:
    """8 tiles around their own centre would seem closer than 80 are."""
    random, metric = np.random.default_rng(0), Metric(np.zeros(4), np.eye(4), np.eye(4))
    far = random.normal(size=(20 * tiles - tiles, 4)) + 1000
    slides = [np.concatenate([random.normal(size=(tiles, 4)), far]) for _ in range(60)]
    cores = [find_core(one, metric) for one in slides]
    assert {len(core.numbers) for core in cores} == {tiles}
    assert np.mean([core.spread for core in cores]) == pytest.approx(1, abs=0.06)


def test_too_few_tiles_are_not_adapted() -> None:
    tiles, _ = slide(FEWEST - 1, 0)
    everything = np.ones(len(tiles), np.bool_)
    assert adapt(reference(), tiles, everything).standpoint.mode == "none"
    with pytest.raises(UsageError, match=f"{FEWEST} are needed"):
        adapt(reference(), tiles, everything, "slide")
    with pytest.raises(UsageError, match="no anchor"):
        adapt(reference(), tiles, everything, "anchors")


def test_tiles_without_a_score_have_none_and_decide_nothing() -> None:
    tiles, _ = slide(300, 0)
    scored = np.arange(300) % 3 > 0
    broken = np.where(scored[:, None], tiles, np.float16(np.nan))
    adapted = adapt(reference(), broken, scored)
    assert np.array_equal(np.isnan(adapted.scores), ~scored)
    assert np.array_equal(adapted.scores[scored], adapt(reference(), tiles[scored], scored[scored]).scores)
    with pytest.raises(UsageError, match="no anchor"):
        adapt(reference(), broken, scored, "anchors", np.array([0, 3]))


@pytest.mark.parametrize("mode", get_args(Mode))
def test_calibration_repeats_the_adaptation_on_held_out_groups(mode: Mode) -> None:
    """So p-values of a slide of the same kind are uniform; with one level for all they would not be."""
    known = reference(groups=12, tiles=100)
    held_out, groups = calibration_scores(known, mode, 5)
    assert len(np.unique(groups)) == 12
    assert len(held_out) == 12 * (95 if mode == "anchors" else 100)
    tiles, _ = slide(1000, 0, offset=3)
    adapted = adapt(known, tiles, np.ones(1000, np.bool_), mode, np.arange(5))
    if mode != "none":
        assert 0.02 < np.mean(adapted.calibration.p_values(adapted.scores) <= 0.05) < 0.09


@pytest.mark.parametrize("mode", get_args(Mode))
def test_smoothed_scores_are_calibrated_by_smoothed_ones(mode: Mode) -> None:
    """Across folds, within a slide: so p-values stay uniform, and an area that differs a little stands out more."""
    known = reference(groups=12, tiles=100)
    single, owners = calibration_scores(known, mode, 5)
    held_out, groups = calibration_scores(known, mode, 5, radius=200)
    assert np.array_equal(groups, owners)
    assert held_out.std() < single.std() / 2
    tiles, strange = slide(900, 100, offset=3, far=4, wide=1)
    scored, positions = np.ones(1000, np.bool_), area(1000)
    plain = adapt(known, tiles, scored, mode, np.arange(5))
    smooth = adapt(known, tiles, scored, mode, np.arange(5), radius=200, positions=positions)
    assert np.array_equal(smooth.scores, local_median(plain.scores, positions, 200))
    assert smooth.display_range == tuple(np.percentile(held_out, (1, 99.5)))
    assert smooth.note == plain.note
    if mode != "none":
        called = smooth.calibration.p_values(smooth.scores) <= 0.05
        assert np.mean(called[~strange]) < 0.1
        assert np.mean(called[strange]) > np.mean(plain.calibration.p_values(plain.scores)[strange] <= 0.05) + 0.2
    assert auroc(smooth.scores, strange) > auroc(plain.scores, strange)


def test_neighbours_in_other_folds_count() -> None:
    """Every second tile of a slide is in another fold; the calibration smooths over both."""
    metric, places = Metric(np.zeros(1), np.eye(1), np.eye(1)), area(100)
    tiles, folds = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float16), np.arange(100) % 2
    parts = [folds == fold for fold in range(2)]
    known = ReferenceDescriptors(
        metric,
        tuple(HeldOut(metric, tiles[own], folds[own].astype(np.int32), places[own]) for own in parts),
    )
    found, _ = calibration_scores(known, "none", 0, radius=128)
    order = np.argsort(folds, kind="stable")
    assert np.allclose(found, local_median(metric.unknown.distance(tiles), places, 128)[order])


def test_a_reference_without_neighbours_is_told() -> None:
    known = reference()
    alone = np.split(nowhere(400), 2)
    lonely = tuple(replace(fold, positions=own) for fold, own in zip(known.held_out, alone, strict=True))
    tiles, _ = slide(200, 0)
    smooth = adapt(
        replace(known, held_out=lonely), tiles, np.ones(200, np.bool_), "none", radius=200, positions=area(200)
    )
    assert "None of the model's reference tiles is known to lie within 200 µm of another" in smooth.note


def test_small_groups_of_a_fold_are_calibrated_as_one_slide() -> None:
    known = reference(groups=50, tiles=4)
    held_out, groups = calibration_scores(known, "slide", 20)
    assert len(held_out) == 200
    assert len(np.unique(groups)) == 50


def test_small_groups_calibrate_where_nothing_takes_more_tiles() -> None:
    """Beside a large group they would look like a slide of many patients, so they do not calibrate adapted scores."""
    metric, random = Metric(np.zeros(3), np.eye(3), np.eye(3)), np.random.default_rng(0)
    groups = np.repeat(np.arange(4, dtype=np.int32), [FEWEST, 6, 5, 1])
    fold = HeldOut(metric, random.normal(size=(len(groups), 3)).astype(np.float16), groups, nowhere(len(groups)))
    known = ReferenceDescriptors(metric, (fold,))
    used = {mode: set(calibration_scores(known, mode, 3)[1].tolist()) for mode in get_args(Mode)}
    assert used == {"none": {0, 1, 2, 3}, "slide": {0}, "anchors": {0, 1}}


def test_a_single_tile_is_calibrated_as_if_nothing_were_known() -> None:
    metric = Metric(np.zeros(3), np.eye(3), np.eye(3))
    alone = HeldOut(metric, np.ones((1, 3), np.float16), np.zeros(1, np.int32), nowhere(1))
    for mode in get_args(Mode):
        found, _ = calibration_scores(ReferenceDescriptors(metric, (alone,)), mode, 5)
        assert np.allclose(found, metric.unknown.distance(alone.descriptors))


def test_each_fold_is_scored_in_its_own_metric() -> None:
    metric, wide = (Metric(np.zeros(3), size * np.eye(3), 0.01 * np.eye(3)) for size in (1.0, 4.0))
    tiles, groups = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float16), np.zeros(80, np.int32)
    folds = HeldOut(wide, tiles, groups, nowhere(80)), HeldOut(metric, tiles, groups + 1, nowhere(80))
    known = ReferenceDescriptors(metric, folds)
    found, owners = calibration_scores(known, "none", 0)
    assert np.allclose(found[owners == 0], wide.unknown.distance(tiles))
    assert np.allclose(found[owners == 1], metric.unknown.distance(tiles))


def test_a_reference_comes_back_from_its_arrays() -> None:
    known = reference()
    again = ReferenceDescriptors.of(known.arrays())
    for before, after in zip(known.held_out, again.held_out, strict=True):
        assert np.array_equal(before.descriptors, after.descriptors)
        assert np.array_equal(before.groups, after.groups)
        assert np.array_equal(before.positions, after.positions)
        assert np.allclose(before.metric.across, after.metric.across)
    assert again.usual_spread == pytest.approx(known.usual_spread)
    assert np.allclose(again.metric.across, known.metric.across)


@pytest.mark.parametrize("name", reference().arrays())
def test_damaged_arrays_are_refused(name: str) -> None:
    arrays = reference().arrays()
    with pytest.raises(KeyError):
        ReferenceDescriptors.of({key: values for key, values in arrays.items() if key != name})
    with pytest.raises(ValueError, match="array"):
        ReferenceDescriptors.of(arrays | {name: arrays[name].astype(np.int8)})
    with pytest.raises(ValueError, match="array"):
        ReferenceDescriptors.of(arrays | {name: np.concatenate([arrays[name]] * 2)})


def test_folds_without_tiles_are_refused() -> None:
    arrays = reference().arrays()
    with pytest.raises(ValueError, match="no fold"):
        ReferenceDescriptors.of(arrays | {"fold": np.zeros_like(arrays["fold"])})
