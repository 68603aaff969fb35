"""The order of training tiles: whole passes, and strata that come equally often whatever their size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.training.order import Balanced, Passes


@given(count=st.integers(1, 40), seed=st.integers(0, 5), passes=st.integers(1, 4))
def test_every_tile_comes_once_a_pass(count: int, seed: int, passes: int) -> None:
    numbers = np.arange(count) * 3 + 1
    order = Passes(numbers, seed)
    for number in range(passes):
        assert sorted(order.tile(number * count + place) for place in range(count)) == numbers.tolist()


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8), rounds=st.integers(1, 40))
def test_strata_come_equally_often_and_their_tiles_too(sizes: list[int], rounds: int) -> None:
    strata = [f"patient {k}" for k, size in enumerate(sizes) for _ in range(size)]
    numbers = np.arange(len(strata)) * 2
    order = Balanced(numbers, strata, seed=0)
    seen = [order.tile(position) for position in range(rounds * len(sizes))]
    assert set(Counter(strata[tile // 2] for tile in seen).values()) == {rounds}
    for k, size in enumerate(sizes):
        times = Counter(tile for tile in seen if strata[tile // 2] == f"patient {k}")
        assert (
            max(times.values())
            - min((times.get(2 * i, 0) for i in range(len(strata)) if strata[i] == f"patient {k}"), default=0)
            <= 1
        )
        assert sum(times.values()) == rounds, size


@pytest.mark.parametrize("start", [0, 7, 100, 1001])
def test_a_position_is_the_same_tile_from_wherever_one_comes(start: int) -> None:
    strata = ["a"] * 13 + ["b"] * 2 + ["c"] * 7
    for make in (lambda: Passes(np.arange(22), 3), lambda: Balanced(np.arange(22), strata, 3)):
        straight = make()
        expected = [straight.tile(position) for position in range(start + 30)][start:]
        late = make()
        assert [late.tile(start + place) for place in range(30)] == expected


def test_another_seed_is_another_order() -> None:
    one, other = ([Passes(np.arange(50), seed).tile(k) for k in range(50)] for seed in (0, 1))
    assert one != other
