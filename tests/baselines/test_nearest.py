"""PatchCore's parts against their definitions: the draw, the greedy choice, the distance."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

import tests.model.tiny  # noqa: F401  (one thread)
from wsi_haloae.baselines import nearest
from wsi_haloae.baselines.nearest import NearestCoreset, draw_cells, greedy_coreset, locally_aware
from wsi_haloae.baselines.protocol import Baseline, FeatureBatches
from wsi_haloae.errors import UsageError

CHANNELS, HEIGHT, WIDTH = 6, 5, 7
CELLS = HEIGHT * WIDTH


def made(images: int, seed: int) -> Tensor:
    return torch.randn(images, CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def batches_of(features: Tensor, size: int) -> FeatureBatches:
    return lambda: iter(torch.split(features, size))


def silent(_count: int) -> None: ...


def fit(features: Tensor, size: int = 4, **settings: int) -> NearestCoreset:
    return NearestCoreset.fit(batches_of(features, size), silent, **settings)


def rows(cells: Tensor) -> list[tuple[float, ...]]:
    return [tuple(row) for row in cells.tolist()]


def slow_greedy(points: np.ndarray, size: int) -> list[int]:
    """Definition: of all points not chosen, the one whose nearest chosen point is farthest."""
    chosen = [0]
    while len(chosen) < size:
        rest = [index for index in range(len(points)) if index not in chosen]
        gaps = [min(np.linalg.norm(points[index] - points[centre]) for centre in chosen) for index in rest]
        chosen.append(rest[int(np.argmax(gaps))])
    return chosen


@pytest.mark.parametrize(("count", "size"), [(80, 1), (80, 25), (20, 20)])
def test_the_coreset_is_the_direct_greedy_choice(count: int, size: int) -> None:
    points = torch.randn(count, 4, generator=torch.Generator().manual_seed(count))
    told: list[int] = []
    chosen = greedy_coreset(points, size, told.append)
    assert chosen.tolist() == slow_greedy(points.double().numpy(), size)
    assert told == [1] * size


def test_no_cell_is_chosen_twice_even_among_equals() -> None:
    chosen = greedy_coreset(torch.ones(10, 3) / 3, 10, silent)
    assert sorted(chosen.tolist()) == list(range(10))


def test_locally_aware_cells_are_the_mean_of_the_neighbours_within_the_image() -> None:
    features = made(2, 0)
    cells = locally_aware(features).reshape(2, HEIGHT, WIDTH, CHANNELS)
    for y, x in ((0, 0), (0, 3), (2, 3), (HEIGHT - 1, WIDTH - 1)):
        near = features[:, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        torch.testing.assert_close(cells[:, y, x], near.mean(dim=(2, 3)))


@pytest.mark.parametrize("size", [1, 3, 9])
@pytest.mark.parametrize(("pool", "share"), [(30, 3), (9, 1), (10_000, CELLS)])
def test_as_many_different_cells_are_drawn_of_every_image(size: int, pool: int, share: int) -> None:
    features = made(9, 0)
    drawn = draw_cells(batches_of(features, size), pool, torch.Generator().manual_seed(5))
    assert drawn.shape == (9 * share, CHANNELS)
    for own, all_cells in zip(torch.split(drawn, share), locally_aware(features), strict=True):
        assert len(set(rows(own))) == share
        assert set(rows(own)) <= set(rows(all_cells))


def test_the_draw_does_not_depend_on_the_batches() -> None:
    features = made(9, 0)
    drawn = [draw_cells(batches_of(features, size), 40, torch.Generator().manual_seed(5)) for size in (1, 4, 9)]
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


def test_the_draw_reaches_all_of_an_image() -> None:
    features = made(1, 0).expand(2000, -1, -1, -1)
    drawn = draw_cells(batches_of(features, 500), 2000, torch.Generator().manual_seed(5))
    _, counts = np.unique(drawn.numpy(), axis=0, return_counts=True)
    assert len(counts) == CELLS
    assert counts.min() > 2000 / CELLS / 2
    assert counts.max() < 2000 / CELLS * 2


@pytest.mark.parametrize("at_once", [10, 4096])
def test_maps_are_the_distance_to_the_nearest_member(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "CELLS_AT_ONCE", at_once)
    fitted, test = fit(made(8, 0), coreset=30), made(3, 1)
    assert fitted.members.shape == (30, CHANNELS)
    cells = locally_aware(test).reshape(-1, CHANNELS)
    brute = torch.cdist(cells, fitted.members, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
    torch.testing.assert_close(fitted.maps(test), brute.reshape(3, HEIGHT, WIDTH))


def test_a_training_cell_in_the_coreset_has_no_distance_to_the_last_digit() -> None:
    train = made(3, 0) + 10
    assert fit(train, coreset=10_000).maps(train).abs().max() == 0


def test_the_coreset_is_chosen_by_projected_distance_among_the_drawn_cells() -> None:
    train = made(8, 0)
    generator = torch.Generator().manual_seed(3)
    cells = draw_cells(batches_of(train, 4), 100, generator)
    projection = torch.randn(CHANNELS, 128, generator=generator).double().numpy()
    chosen = slow_greedy(cells.double().numpy() @ projection, 12)
    assert torch.equal(fit(train, pool=100, coreset=12, seed=3).members, cells[chosen])


def test_projection_keeps_distances_in_scale() -> None:
    cells = torch.randn(400, 500, generator=torch.Generator().manual_seed(0))
    projection = torch.randn(500, nearest.PROJECTED, generator=torch.Generator().manual_seed(1))
    ratio = torch.pdist(cells @ projection / nearest.PROJECTED**0.5) / torch.pdist(cells)
    assert 0.5 < float(ratio.min()) < float(ratio.max()) < 1.5


def test_a_fit_is_the_same_for_its_seed_only() -> None:
    one, same, other = (fit(made(6, 0), pool=60, coreset=9, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.members, same.members)
    assert not torch.equal(one.members, other.members)


def test_an_odd_neighbourhood_stands_out() -> None:
    fitted: Baseline = fit(made(12, 0), coreset=100)
    test = made(2, 1)
    test[1, :, 1:4, 2:5] += 6
    maps = fitted.maps(test)
    assert maps.shape == (2, HEIGHT, WIDTH)
    assert int(maps.argmax()) == (1 * HEIGHT + 2) * WIDTH + 3


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(UsageError, match="No training image"):
        NearestCoreset.fit(lambda: iter(()), silent)
    with pytest.raises(UsageError, match="pool of 5 cells is too small for 6 images"):
        fit(made(9, 0), size=3, pool=5)
    with pytest.raises(UsageError, match="coreset of 0"):
        fit(made(2, 0), coreset=0)


def test_batches_are_let_go() -> None:
    given: list[weakref.ref[Tensor]] = []

    def batches() -> Iterator[Tensor]:
        for seed in range(6):
            assert sum(one() is not None for one in given) <= 1  # the one that is being left
            features = made(2, seed)
            given.append(weakref.ref(features))
            yield features
            del features

    NearestCoreset.fit(batches, silent, pool=20, coreset=5)
    assert len(given) == 6
