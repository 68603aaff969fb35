"""How many threads torch computes on: as asked, or as the user's environment says, or as there are cores to use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from wsi_haloae.processors.cores import available_cores


def asked_threads(option: int | None) -> int | None:
    """``--threads``, or else OMP_NUM_THREADS as torch has read it; None where neither is given."""
    if option is None and "OMP_NUM_THREADS" in os.environ:
        return torch.get_num_threads()
    return option


def use_threads(option: int | None) -> None:
    """Have this process compute on as many threads as asked for, or else on no more than it has cores for.

    torch by itself counts cores by CPU affinity and takes one of two hyperthreads, but knows nothing of quotas.
    """
    torch.set_num_threads(asked_threads(option) or min(torch.get_num_threads(), available_cores()))


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on ``count`` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
