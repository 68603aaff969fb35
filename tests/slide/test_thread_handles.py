"""ThreadHandles."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.memory import MemorySlide
from wsi_haloae.slide.properties import Slide

PIXELS = np.zeros((64, 64, 3), np.uint8)


def test_each_thread_has_its_own_slide_and_keeps_it() -> None:
    opened: list[Slide] = []

    def opener() -> Slide:
        opened.append(MemorySlide(PIXELS))
        return opened[-1]

    together = threading.Barrier(3)

    def job(_: int) -> tuple[int, int]:
        together.wait(10)  # so that every thread of the pool takes one job
        return id(handles.get()), id(handles.get())

    with ThreadHandles(opener) as handles, ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(job, range(3)))
    assert all(first == second for first, second in seen)
    assert len({first for first, _ in seen}) == len(opened) == 3
    for slide in opened:
        with pytest.raises(ValueError, match="closed"):
            slide.read_region(0, 0, 0, 1, 1)


def test_closed_handles_open_nothing_more() -> None:
    handles = ThreadHandles(lambda: MemorySlide(PIXELS))
    handles.close()
    handles.close()
    with pytest.raises(ValueError, match="closed"):
        handles.get()
