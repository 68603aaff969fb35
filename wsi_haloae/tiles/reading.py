"""Read tiles from a slide, shard by shard, a few shards ahead of their consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import RegionReadError
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.stores.sharded import ShardedStore, TileState
from wsi_haloae.tiles.plan import ReadPlan

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ShardPixels:
    """The k tiles of a shard. A tile that could not be read has the background colour and a reason."""

    shard: int
    pixels: NDArray[np.uint8]  # (k, s, s, 3)
    states: NDArray[np.uint8]  # (k,), values of TileState
    reasons: tuple[str, ...]  # (k,)


class SlideTiles:
    """The tiles of a store's index, read from the slide. Safe to use from several threads."""

    def __init__(self, store: ShardedStore, handles: ThreadHandles) -> None:
        self._store, self._handles = store, handles
        self._plan = ReadPlan.of_record(store.header.read_plan)
        self._size = store.header.grid.tile_size

    def read_tile(self, number: int) -> NDArray[np.uint8]:
        """One tile (s, s, 3). Raises `RegionReadError` if it cannot be decoded."""
        l0_x, l0_y = self._store.index.location[number].tolist()
        return self._plan.read(self._handles.get(), l0_x, l0_y, self._size)

    def read_shard(self, shard: int) -> ShardPixels:
        """All tiles of a shard. Those that cannot be decoded have the background colour."""
        place = self._store.shard_slice(shard)
        count = place.stop - place.start
        pixels: NDArray[np.uint8] = np.empty((count, self._size, self._size, 3), dtype=np.uint8)
        states = np.full(count, TileState.DONE, dtype=np.uint8)
        reasons = [""] * count
        for number in range(count):
            try:
                pixels[number] = self.read_tile(place.start + number)
            except RegionReadError as error:
                pixels[number] = self._store.header.slide.background
                states[number], reasons[number] = TileState.UNREADABLE, str(error)
        return ShardPixels(shard, pixels, states, tuple(reasons))


@contextmanager
def read_ahead(work: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Iterator[Result]]:
    """Results of ``work`` in the order of ``jobs``, computed on threads, at most two per worker ahead.

    The limit keeps a slow consumer from filling the memory with results. Leaving the context, also by
    an exception, waits for running jobs and cancels the others.
    """
    remaining = iter(jobs)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:

        def results() -> Iterator[Result]:
            waiting.extend(pool.submit(work, job) for job in islice(remaining, 2 * workers))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, job) for job in islice(remaining, 1))
                yield result

        try:
            yield results()
        finally:
            for job in waiting:
                job.cancel()
