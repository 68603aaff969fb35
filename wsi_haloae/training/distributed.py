"""The other processes of a ``torchrun``: they wait for the first to have something to train, and help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from wsi_haloae.config import Config
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter
from wsi_haloae.training.ranks import Ranks
from wsi_haloae.training.trainer import Trainer, TrainingData


@dataclass(frozen=True)
class Job:
    """All that a training needs, as the first process has it: the model as it starts, and where its state is kept."""

    config: Config
    data: TrainingData
    tile_size: int
    weights: dict[str, Tensor]
    feature_range: Tensor
    device: torch.device
    state_path: Path
    identity: str
    workers: int


class Helpers:
    """The other processes as the first sees them: they are told once what to do, or that there is nothing."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks, self._waiting = ranks, ranks.world > 1

    def begin(self, job: Job) -> None:
        """Have them train along."""
        self._tell(job)

    def dismiss(self) -> None:
        """Send them home, if they still wait."""
        self._tell(None)

    def _tell(self, job: Job | None) -> None:
        if self._waiting:
            self.ranks.from_first(lambda: job)
            self._waiting = False


def help_train(ranks: Ranks) -> None:
    """Wait for the first process, and train along with it."""
    job: Job | None = ranks.from_first(lambda: None)
    if job is None:
        return
    device = ranks.device(job.device)
    model = HaloAE(job.config.model, job.tile_size)
    model.load_state_dict(job.weights)
    trainer = Trainer(
        job.config,
        model.to(device).to(memory_format=torch.channels_last),
        job.data,
        job.feature_range,
        device,
        state_path=job.state_path,
        identity=job.identity,
        workers=job.workers,
        ranks=ranks,
    )
    trainer.fit(Reporter(quiet=True))
