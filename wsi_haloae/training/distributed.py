"""Training on several processes started by ``torchrun``: the first prepares the job, the others join its steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter
from wsi_haloae.training.job import TrainingJob
from wsi_haloae.training.ranks import Ranks
from wsi_haloae.training.trainer import Trainer


@dataclass(frozen=True)
class _Start:
    """What the other processes need besides the job: the initial weights, on the CPU, and SSIM's ranges (C,)."""

    job: TrainingJob
    weights: dict[str, Tensor]
    feature_range: Tensor


class Helpers:
    """The other processes, as seen by the first one: they wait for one message, either a job or None."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks, self._waiting = ranks, ranks.world > 1

    def begin(self, job: TrainingJob, model: HaloAE, feature_range: Tensor) -> None:
        """Start them on the job, with the present weights of ``model``."""
        if self._waiting:
            weights = {name: values.cpu() for name, values in model.state_dict().items()}
            self._send(_Start(job, weights, feature_range))

    def dismiss(self) -> None:
        """Let them exit, if they are still waiting."""
        self._send(None)

    def _send(self, start: _Start | None) -> None:
        if self._waiting:
            self.ranks.from_first(lambda: start)
            self._waiting = False


def help_train(ranks: Ranks) -> None:
    """Wait for the first process, and take part in its training."""
    start: _Start | None = ranks.from_first(lambda: None)
    if start is None:
        return
    job = start.job
    device = ranks.device(job.device)
    model = HaloAE(job.config.model, job.data.source.tile_size)
    model.load_state_dict(start.weights)
    model = model.to(device).to(memory_format=torch.channels_last)
    Trainer(job, model, start.feature_range, device, ranks).fit(Reporter(quiet=True))
