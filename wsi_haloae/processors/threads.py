"""How many threads torch computes on: by option, else by environment variable, else by available cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from wsi_haloae.processors.cores import available_cores


def asked_threads(option: int | None) -> int | None:
    """``--threads``, or else OMP_NUM_THREADS as torch has read it; None if neither is set."""
    if option is None and "OMP_NUM_THREADS" in os.environ:
        return torch.get_num_threads()
    return option


def use_threads(option: int | None) -> None:
    """Set the number of threads of this process as requested, or else to at most its available cores.

    By default torch counts cores by CPU affinity, one per two hyperthreads, but ignores quotas.
    """
    torch.set_num_threads(asked_threads(option) or min(torch.get_num_threads(), available_cores()))


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on ``count`` threads inside the ``with`` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
