"""Several processes that train one model: started by ``torchrun``, each with a GPU of its own (or a core).

    torchrun --nproc-per-node 4 -m wsi_haloae train-tiles ...

The first reads, splits and calibrates as ever. The others only take part in the training steps: each computes its
share of every batch, and gradients are averaged (Li et al. 2020, arXiv 2006.15704), so the batches of a training do
not depend on how many processes there are.
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
"""Of those who wait while the first tiles slides."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one leads."""
        return self.rank == 0

    def device(self, asked: torch.device) -> torch.device:
        """The GPU of this process, where all were told 'cuda'."""
        if self.world == 1 or asked.type != "cuda" or asked.index is not None:
            return asked
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)) % torch.cuda.device_count())

    def share(self, module: nn.Module) -> nn.Module:
        """The module, its gradients averaged over all processes; they begin with the first one's weights."""
        if self.world == 1:
            return module
        # A loss that is left out leaves its block without gradients.
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)

    def from_first(self, value: Callable[[], Any]) -> Any:
        """What ``value()`` is on the first process, which alone computes it."""
        if self.world == 1:
            return value()
        told = [value() if self.first else None]
        distributed.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        return told[0]


ALONE = Ranks()


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """All processes of this ``torchrun``; alone without one."""
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
