"""Adam with a learning rate per part. The rates depend only on the step, so a resumed run needs no other state."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch

from wsi_haloae.config import TrainingConfig
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.training.objective import Objective

WARM_UP = 0.1
"""Share of the steps during which the rate rises."""


def make_optimiser(model: HaloAE, objective: Objective, settings: TrainingConfig) -> torch.optim.Adam:
    """Adam over the trained parts of the model, and over the uncertainties if they are learned.

    The classifier adds up every pixel of an image, so a rate that suits convolutions can change its logit by hundreds.
    ``settings.classifier_rate`` is its rate, as a share of the others'.
    """
    classifier = {id(parameter): parameter for parameter in model.classifier.parameters()}
    others = [parameter for parameter in model.trainable_parameters() if id(parameter) not in classifier]
    groups: list[dict[str, Any]] = [
        {"params": others, "weight_decay": settings.weight_decay, "share": 1.0},
        {"params": list(classifier.values()), "weight_decay": settings.weight_decay, "share": settings.classifier_rate},
    ]
    uncertainties = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    if uncertainties:  # weight decay would pull them towards equal weights
        groups.append({"params": uncertainties, "weight_decay": 0.0, "share": 1.0})
    return torch.optim.Adam(groups, lr=settings.learning_rate)


def set_rates(optimiser: torch.optim.Adam, settings: TrainingConfig, step: int, total_steps: int) -> None:
    """Set the rate of each part for a step, counted from 0."""
    for group in optimiser.param_groups:
        group["lr"] = group["share"] * settings.learning_rate * rate_factor(step, total_steps, settings.schedule)


def rate_factor(step: int, total_steps: int, schedule: Literal["constant", "warmup_cosine"]) -> float:
    """The factor for the configured rate at a step, counted from 0.

    ``warmup_cosine`` rises linearly over the first tenth of the steps, then falls to nearly 0 along half a cosine
    (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts).
    """
    if schedule == "constant":
        return 1.0
    rising = max(1, round(WARM_UP * total_steps))
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total_steps - rising)))
