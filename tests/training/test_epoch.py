"""Which epoch's weights are kept: the lowest loss, or of those whose marks are as good as the best, the lowest loss."""

from __future__ import annotations

import math

import pytest

from wsi_haloae.training.epoch import HeldOut


def kept(epochs: list[tuple[float, float | None]]) -> int | None:
    best, number, least = None, None, math.inf
    for place, one in enumerate(HeldOut(*told) for told in epochs):
        if one.is_better(best, least):
            best, number = one, place
        least = min(least, one.badness)
    return number


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([(3, None), (1, None), (2, None)], 1),
        ([(3, 0.57), (2, 0.571), (1, 0.568)], 2),  # flat: the loss decides
        ([(3, 0.9), (2, 0.8), (1, 0.7)], 0),  # it copies more and more
        ([(3, 0.9), (2.8, 0.897), (2.6, 0.894), (2.4, 0.891)], 1),  # slowly, too
        ([(1, 0.5), (3, 0.9)], 1),
        ([(1, 0.5), (3, 0.9), (2, 0.896)], 2),
        ([(2, 0.6), (1, 0.602), (3, 0.604)], 1),
        ([(math.nan, None), (1, None)], 1),
        ([(1, math.nan), (2, 0.5)], 1),
        ([(math.nan, None)], None),
    ],
)
def test_the_epoch_that_is_kept(epochs: list[tuple[float, float | None]], best: int | None) -> None:
    assert kept(epochs) == best
