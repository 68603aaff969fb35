"""Batches side by side on a CPU: each on one core, and as many at once as there are threads.

All cores on one batch would wait for each other at each of its hundreds of small operations, most of them too small to
be shared. And results would depend on the number of threads, which here they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from wsi_haloae.processors.threads import on_threads

Given = TypeVar("Given")
Found = TypeVar("Found")
MOST = 16
"""Batches at once: each takes 100 to 150 MB."""


def side_by_side(function: Callable[[Given], Found], batches: Iterable[Given], threads: int) -> list[Found]:
    """What ``function`` returns for each batch, in order, without gradients; ``threads`` of them at once, or `MOST`."""

    @torch.inference_mode()
    def computed(batch: Given) -> Found:
        return function(batch)

    with on_threads(1):  # new threads begin with this number
        if threads == 1:
            return [computed(batch) for batch in batches]
        with ThreadPoolExecutor(min(threads, MOST), "batches") as pool:
            return list(pool.map(computed, batches))
