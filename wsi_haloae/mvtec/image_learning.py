"""What a rule for labelled images learns from held-out reference images, before they are scored."""

from __future__ import annotations

from dataclasses import replace

import torch

from wsi_haloae.config import RULES, WHITENED
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.whitening import PlaceMeans
from wsi_haloae.scoring.measured import Measured
from wsi_haloae.training.calibrate import show, taught
from wsi_haloae.training.job import TrainingData


def learn_rule(checkpoint: Checkpoint, data: TrainingData, device: torch.device) -> Checkpoint:
    """The checkpoint with the statistics of its rule, if that learns any."""
    rule = RULES[checkpoint.facts.config.scoring.rule]
    if rule.learner is None:
        return checkpoint
    if rule.name == WHITENED:
        places = _Places()
        show(checkpoint, [places], data.source, data.validation, device, lambda _: None)
        checkpoint = replace(checkpoint, place_means=places.means.shrunk())
    learned = taught(checkpoint, [rule], data.source, data.validation, device, lambda _: None)
    return replace(checkpoint, gaussians={**checkpoint.gaussians, **learned})


class _Places:
    """Is shown images, for the mean residual in each place."""

    def __init__(self) -> None:
        self.means = PlaceMeans()

    def add(self, tiles: Measured, count: int) -> None:
        for residual in tiles.found.unexplained[:count]:
            self.means.add(residual)
