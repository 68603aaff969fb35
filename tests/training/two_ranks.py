"""Two processes of a training, for test_ranks.py; as a script under ``torchrun``, their gradients as files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch

from tests.model.tiny import tiny_config, tiny_model
from tests.training.tiles import MemorySource
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.training.batches import TrainingBatches
from wsi_haloae.training.objective import Objective
from wsi_haloae.training.order import Passes
from wsi_haloae.training.ranks import Ranks, joined_ranks
from wsi_haloae.training.trainer import _Losses


def gradients(ranks: Ranks) -> dict[str, torch.Tensor]:
    """Of one batch of four originals with copies, by this process' share of it."""
    config, net = tiny_config(originals_per_batch=4), tiny_model(seed=ranks.rank)  # the first one's weights count
    objective = Objective(config.loss, config.ews.schedule, torch.ones(net.backbone.channels))
    losses = ranks.share(_Losses(net, objective))
    net.eval()  # batch norms would see their own share
    tiles, damaged = TrainingBatches(MemorySource(), Passes(np.arange(10), 0), config.training, 1, ranks=ranks)[0]
    total, *_ = losses(normalise(to_unit(tiles), config.model.input_downsample), damaged, 100.0)
    total.backward()
    return {name: value.grad for name, value in net.named_parameters() if value.grad is not None}


def be_rank(rank: int, port: int) -> None:
    """Make this process one of two, as ``torchrun`` does, with one thread."""
    os.environ.update(WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK=str(rank), OMP_NUM_THREADS="1")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)


if __name__ == "__main__":
    with joined_ranks() as ranks:
        found = gradients(ranks)
        agreed = ranks.from_first(lambda: ranks.rank)
        torch.save({"gradients": found, "agreed": agreed}, Path(sys.argv[1]) / f"{ranks.rank}.pt")
