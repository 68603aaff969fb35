"""Descriptors are learned from all groups, and again without each fold; nothing of a fold reaches what scores it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.tiny import tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.adaptation.core import FEWEST
from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.adaptation.standpoint import calibration_scores
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.errors import UsageError
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.training import moments as measuring
from wsi_haloae.training.descriptors import DIMENSIONS, MOST_FOLDS, cross_fit, divide, with_weight
from wsi_haloae.training.moments import Moments, drawn, measure_moments

NUMBERS, KINDS = 24, 4


def made(groups: int = 12, tiles: int = 25, seed: int = 0, level: float = 1.0) -> Moments:
    """Gaussian moments of groups that differ by ``level``."""
    random = np.random.default_rng(seed)
    offsets = np.repeat(level * random.normal(size=(groups, NUMBERS)), tiles, axis=0)
    values = (offsets + random.normal(size=offsets.shape)).astype(np.float32)
    places = np.arange(0, len(values), 3)
    changed = values[places] + random.normal(size=(KINDS, len(places), NUMBERS)).astype(np.float32)
    names = np.repeat([f"patient {number:02d}" for number in range(groups)], tiles)
    return Moments(values, names, nowhere(len(names)), places, changed)


def test_nothing_of_a_fold_reaches_the_metric_that_scores_it() -> None:
    before = made()
    fitted = cross_fit(before, seed=0)
    fold = fitted.folds(before.groups)
    spoiled = before.values.copy()
    spoiled[fold == 0] = 1000 * np.random.default_rng(1).normal(size=(int((fold == 0).sum()), NUMBERS))
    changed = before.changed.copy()
    changed[:, fold[before.places] == 0] = -1000
    again = cross_fit(Moments(spoiled, before.groups, before.positions, before.places, changed), seed=0)
    one, other = (fit.reference(1.0).held_out for fit in (fitted, again))
    assert np.array_equal(one[0].metric.across, other[0].metric.across)
    assert np.array_equal(fitted.without[0].basis.axes, again.without[0].basis.axes)
    assert not np.array_equal(one[1].metric.across, other[1].metric.across)
    assert not np.array_equal(one[0].descriptors, other[0].descriptors)


def test_a_subset_of_moments_keeps_the_changes_of_its_own_tiles() -> None:
    whole = made(groups=3, tiles=4)
    chosen = np.arange(12) % 4 != 0
    part = whole.of(chosen)
    assert np.array_equal(part.values, whole.values[chosen])
    kept = [place for place in whole.places if chosen[place]]
    assert np.array_equal(part.values[part.places], whole.values[kept])
    assert np.array_equal(part.changed, whole.changed[:, chosen[whole.places]])


def test_p_values_of_new_groups_are_kept_by_cross_fitting_and_not_by_what_taught_the_metric() -> None:
    """The reason for folds: in the metric that they taught themselves, tiles lie too near."""
    shares, naive = [], []
    for seed in range(8):
        fitted = cross_fit(made(groups=24, tiles=4, seed=seed), seed=0)
        new = made(groups=200, tiles=1, seed=1000 + seed)
        reference = fitted.reference(1.0)
        scores = reference.metric.unknown.distance(fitted.whole.describe(new.values))
        held_out, groups = calibration_scores(reference, "none", 0)
        shares.append(np.mean(ConformalCalibration.fit(held_out, groups.astype(str)).p_values(scores) <= 0.1))
        own = reference.metric.unknown.distance(fitted.whole.describe(fitted.moments.values))
        naive.append(np.mean(ConformalCalibration.fit(own, fitted.moments.groups).p_values(scores) <= 0.1))
    assert np.mean(shares) < 0.12
    assert np.mean(naive) > 0.14


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 200), min_size=2, max_size=40), st.integers(0, 100))
def test_folds_hold_whole_groups_and_are_of_about_equal_size(sizes: list[int], seed: int) -> None:
    groups = np.repeat([str(number) for number in range(len(sizes))], sizes)
    fold_of = divide(groups, seed)
    assert fold_of == divide(groups, seed)
    assert set(fold_of) == set(groups.tolist())
    tiles = np.bincount([fold_of[group] for group in groups.tolist()])
    assert 2 <= len(tiles) <= min(MOST_FOLDS, max(2, sum(sizes) // FEWEST))
    assert (tiles > 0).all()
    assert tiles.max() - tiles.min() <= max(sizes)


def test_held_out_distances_are_those_of_the_folds() -> None:
    moments = made()
    fitted = cross_fit(moments, seed=0)
    found = fitted.held_out_distances(moments.values, moments.groups, 1.0)
    kept, numbers = calibration_scores(fitted.reference(1.0), "none", 0)
    by_group = {group: np.sort(found[moments.groups == group]) for group in np.unique(moments.groups)}
    for number, group in enumerate(by_group):
        assert np.allclose(np.sort(kept[numbers == number]), by_group[group], rtol=1e-3)


def test_descriptors_have_as_many_numbers_as_the_smallest_part_allows() -> None:
    fitted = cross_fit(made(groups=4, tiles=5), seed=0)
    sizes = {learned.mean.size for learned in (fitted.whole, *fitted.without)}
    assert sizes == {9}  # two folds of ten tiles
    assert cross_fit(made(groups=20, tiles=50), seed=0).whole.mean.size == min(DIMENSIONS, NUMBERS)


@pytest.mark.parametrize("values", [np.zeros((4, 3), np.float32), np.ones((2, 3), np.float32)])
def test_tiles_that_are_all_alike_are_refused(values: np.ndarray) -> None:
    names = np.array([str(number) for number in range(len(values))])
    moments = Moments(values, names, nowhere(len(names)), np.arange(0), np.zeros((KINDS, 0, 3), np.float32))
    with pytest.raises(UsageError, match="at least two different ones"):
        cross_fit(moments, seed=0)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=30), st.integers(30, 2000))
def test_each_group_gives_its_share_of_the_measured_tiles(sizes: list[int], most: int) -> None:
    groups = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "MOST_TILES", most)
        tiles = drawn(groups, each_its_own(groups))
    assert (np.diff(tiles) > 0).all()
    assert len(tiles) <= most
    taken = np.bincount([int(groups[tile]) for tile in tiles], minlength=len(sizes))
    assert (taken > 0).all(), "no group is left out"
    share = np.where(taken == FEWEST, 0, taken).max()
    assert all(count in {min(size, share), min(size, FEWEST)} for count, size in zip(taken, sizes, strict=True))


@pytest.mark.parametrize(("groups", "each"), [(100, 38), (1000, 3)])
def test_of_many_groups_some_still_give_enough_for_a_core(groups: int, each: int) -> None:
    names = [str(number) for number in range(groups) for _ in range(100)]
    tiles = drawn(names, each_its_own(names))
    assert len(tiles) <= measuring.MOST_TILES
    taken = np.bincount(tiles // 100)
    assert (taken == FEWEST).sum() == measuring.WITH_CORE
    assert set(taken.tolist()) == {FEWEST, each}


def each_its_own(groups: list[str]) -> list[str]:
    """Blocks of one tile, as of image files."""
    return [f"tile {number}" for number in range(len(groups))]


def blocked(slides: int, side: int) -> tuple[list[str], list[str]]:
    """The slide of each of ``side`` x ``side`` tiles of each slide, in reading order, and its block of 4 x 4."""
    row, column = np.divmod(np.arange(side * side), side)
    own = [f"block {one},{other}" for one, other in zip(row // 4, column // 4, strict=True)]
    names = [str(slide) for slide in range(slides)]
    return [name for name in names for _ in own], [f"{name} {block}" for name in names for block in own]


@pytest.mark.parametrize("by_block", [False, True])
def test_tiles_are_drawn_with_their_neighbours(*, by_block: bool) -> None:
    """In whole blocks that lie all over each slide, also where the blocks stand for groups."""
    slides, blocks = blocked(slides=3, side=80)
    tiles = drawn(blocks if by_block else slides, blocks)
    assert measuring.MOST_TILES - 16 < len(tiles) <= measuring.MOST_TILES
    names, sizes = np.unique(np.asarray(blocks)[tiles], return_counts=True)
    assert (sizes == 16).sum() >= len(names) - 3 * 20, "only the last row of blocks is cut"
    assert (sizes == 16).mean() > 0.9
    for slide in "012":
        rows = tiles[np.asarray(slides)[tiles] == slide] % (80 * 80) // 80
        assert np.histogram(rows, 4, (0, 80))[0].min() > 0.8 * len(rows) / 4


def test_moments_know_where_their_tiles_lie() -> None:
    source = MemorySource(12)
    source.positions = source.positions + np.float32(7)
    groups = [str(number // 2) for number in range(12)]
    moments = measure_moments(tiny_checkpoint(), source, groups, torch.device("cpu"), lambda _n: None)
    assert np.array_equal(moments.positions, source.positions)
    chosen = np.arange(12) % 3 == 0
    assert np.array_equal(moments.of(chosen).positions, source.positions[chosen])
    kept = cross_fit(moments, seed=0).reference(1.0).held_out
    assert sorted(np.concatenate([fold.positions for fold in kept])[:, 0]) == sorted(source.positions[:, 0])


def test_a_tile_is_changed_by_the_seed_and_its_number_alone() -> None:
    source, checkpoint = MemorySource(12), tiny_checkpoint()
    groups = [str(number // 2) for number in range(12)]
    first, second = (
        measure_moments(checkpoint, source, groups, torch.device("cpu"), lambda _n: None) for _ in range(2)
    )
    assert np.array_equal(first.changed, second.changed)
    assert np.array_equal(first.values, second.values)
    assert not np.allclose(first.changed[0], first.values)


def test_a_checkpoint_scores_by_what_all_groups_taught() -> None:
    source, checkpoint, device = MemorySource(20), tiny_checkpoint(), torch.device("cpu")
    groups = [str(number // 2) for number in range(20)]
    learned = cross_fit(measure_moments(checkpoint, source, groups, device, lambda _n: None), seed=0)
    done = with_weight(checkpoint, learned, 3.0)
    scorer = Scorer(done, device, 4)
    found = scorer.score(np.stack([source.read(number) for number in range(20)]))
    expected = learned.reference(3.0).metric.unknown.distance(learned.whole.describe(learned.moments.values))
    np.testing.assert_allclose(found.rules[:, scorer.rules.index("descriptor")], expected, rtol=2e-2)
    assert found.descriptor.shape == (20, learned.whole.mean.size)
