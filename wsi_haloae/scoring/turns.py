"""Processes that share a GPU take turns at it where its memory holds the batches of one slide only.

Meanwhile the others open a slide, find its tissue, or write the files of the one before. A turn is a lock on a file:
the system ends the turn of a process that dies.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock

WAITING = "waiting"
"""The stage of a slide that ends when its turn begins."""


@contextmanager
def turn(lock: Path | None, ended: Callable[[str], None] | None = None) -> Iterator[None]:
    """Wait for a turn, tell ``ended`` when it begins, and keep no memory of the GPU after it but the model's.

    ``lock`` None: nobody else is there.
    """
    if lock is None:
        yield
        return
    with FileLock(lock, fallback_to_soft=False):  # a soft lock would outlive a killed process
        if ended:
            ended(WAITING)
        try:
            yield
        finally:
            gc.collect()  # a scorer and its recorded graphs refer to each other
            torch.cuda.empty_cache()
