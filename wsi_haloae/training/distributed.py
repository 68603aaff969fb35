"""Training on several processes of a ``torchrun``: the first has the job, the others wait for it and train along."""

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
    """What the other processes need beside the job: the model as it starts, on the CPU, and SSIM's ranges (C,)."""

    job: TrainingJob
    weights: dict[str, Tensor]
    feature_range: Tensor


class Helpers:
    """The other processes as the first one sees them: they get one message, a job or that there is none."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks, self._waiting = ranks, ranks.world > 1

    def begin(self, job: TrainingJob, model: HaloAE, feature_range: Tensor) -> None:
        """Have them train along, from the weights that ``model`` has now."""
        if self._waiting:
            weights = {name: values.cpu() for name, values in model.state_dict().items()}
            self._tell(_Start(job, weights, feature_range))

    def dismiss(self) -> None:
        """Let them end, if they still wait."""
        self._tell(None)

    def _tell(self, start: _Start | None) -> None:
        if self._waiting:
            self.ranks.from_first(lambda: start)
            self._waiting = False


def help_train(ranks: Ranks) -> None:
    """Wait for the first process, and train along with it."""
    start: _Start | None = ranks.from_first(lambda: None)
    if start is None:
        return
    job = start.job
    device = ranks.device(job.device)
    model = HaloAE(job.config.model, job.data.source.tile_size)
    model.load_state_dict(start.weights)
    model = model.to(device).to(memory_format=torch.channels_last)
    Trainer(job, model, start.feature_range, device, ranks).fit(Reporter(quiet=True))
