"""HandlePool: few handles, back in time, closed in the end."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wsi_haloae.errors import SlideError
from wsi_haloae.slide.handle_pool import MOST, HandlePool
from wsi_haloae.slide.memory import MemorySlide

PIXELS = np.zeros((64, 64, 3), np.uint8)


class Opener:
    def __init__(self) -> None:
        self.opened: list[MemorySlide] = []

    def __call__(self) -> MemorySlide:
        self.opened.append(MemorySlide(PIXELS))
        return self.opened[-1]


def is_closed(slide: MemorySlide) -> bool:
    try:
        slide.read_region(0, 0, 0, 1, 1)
    except ValueError:
        return True
    return False


def test_a_handle_that_came_back_is_lent_again() -> None:
    lender = HandlePool(opener := Opener())
    for _ in range(3):
        with lender.borrowed() as slide:
            assert slide is opener.opened[0]
    lender.close()
    lender.close()
    assert [is_closed(slide) for slide in opener.opened] == [True]


def test_no_more_than_a_few_are_lent_at_a_time() -> None:
    lender = HandlePool(opener := Opener())
    lock, inside, most = threading.Lock(), 0, 0

    def job(_: int) -> None:
        nonlocal inside, most
        with lender.borrowed():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(3 * MOST) as pool:
        list(pool.map(job, range(6 * MOST)))
    assert most <= MOST
    assert len(opener.opened) <= MOST


def test_what_is_lent_when_it_closes_is_closed_when_it_comes_back() -> None:
    lender = HandlePool(opener := Opener())
    with lender.borrowed() as slide:
        lender.close()
        slide.read_region(0, 0, 0, 1, 1)
    assert is_closed(opener.opened[0])
    with lender.borrowed():  # who was late still gets an answer
        assert len(opener.opened) == 2
    assert is_closed(opener.opened[1])


def test_an_opener_that_fails_takes_no_turn() -> None:
    def fail() -> MemorySlide:
        raise SlideError("gone")

    lender = HandlePool(fail)
    for _ in range(2 * MOST):
        with pytest.raises(SlideError), lender.borrowed():
            pass
