"""Several processes that train one model, started by ``torchrun``, each with its own GPU (or CPU core).

    torchrun --nproc-per-node 4 -m wsi_haloae train-tiles ...

The first process reads, splits and calibrates as usual. The others only take part in the training steps: each computes
its share of every batch, and gradients are averaged (Li et al. 2020, arXiv 2006.15704). So the batches of a training do
not depend on the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

PATIENCE = timedelta(days=2)
"""How long the others wait while the first one tiles slides."""


@dataclass(frozen=True)
class Ranks:
    """The number of this process, and how many there are."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def device(self, requested: torch.device) -> torch.device:
        """The GPU of this process, if ``requested`` is 'cuda' for all of them."""
        if self.world == 1 or requested.type != "cuda" or requested.index is not None:
            return requested
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)) % torch.cuda.device_count())

    def share(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over all processes; all start with the weights of the first one."""
        if self.world == 1:
            return module
        # If a loss is left out, the block it trains has no gradients.
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)

    def from_first(self, value: Callable[[], Any]) -> Any:
        """The result of ``value()``, which only the first process computes and sends to the others."""
        if self.world == 1:
            return value()
        shared = [value() if self.first else None]
        distributed.broadcast_object_list(shared, src=0, device=torch.device("cpu"))
        return shared[0]


ALONE = Ranks()


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """All processes of this ``torchrun``; a single one without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
