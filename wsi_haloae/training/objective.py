"""The number that training minimises: the losses, weighted by a schedule or by learned uncertainties."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from wsi_haloae.config import LossConfig
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.losses import Losses, all_losses
from wsi_haloae.model.weighting import EQUAL, LossWeights, ews_weights


class Objective(nn.Module):
    """L_T (paper, equation 3), or with learned uncertainties equation 5 (Kendall et al. 2018).

    The uncertainties, log sigma^2 of each term, are parameters of this module and trained together with the model.
    ``feature_range`` (C,), on the device, scales SSIM's constants.
    """

    def __init__(self, config: LossConfig, schedule: Literal["paper", "released"], feature_range: Tensor) -> None:
        super().__init__()
        self._config, self._schedule = config, schedule
        self.feature_range = feature_range
        self.log_variances = nn.Parameter(torch.zeros(3), requires_grad=config.weighting == "uncertainty")

    def forward(self, model: HaloAE, images: Tensor, damaged: Tensor, t: float) -> tuple[Tensor, Losses]:
        """The scalar to minimise at schedule time ``t``, and the unweighted losses that it is made of."""
        losses = all_losses(model, images, damaged, self.feature_range, self._config, t)
        positions = model.map_size**2 if self._config.reconstruction == "sum" else 1
        terms = ((losses.cls, 1), (losses.fm, positions), (losses.im, positions))
        weights = self.weights(t)
        total = images.new_zeros(())
        for (loss, scale), weight, log_variance in zip(
            terms, (weights.cls, weights.fm, weights.im), self.log_variances, strict=True
        ):
            if loss is None:
                continue
            if self._config.weighting == "uncertainty":
                total = total + scale * loss * torch.exp(-log_variance) + log_variance
            else:
                total = total + weight * scale * loss
        return total, losses

    def weights(self, t: float) -> LossWeights:
        """Weights at schedule time ``t``, as shares of their sum; learned weights have their present values."""
        if self._config.weighting != "uncertainty":
            return planned_weights(self._config, self._schedule, t)
        precision = torch.exp(-self.log_variances.detach())
        weights = LossWeights(*(precision / precision.sum()).tolist())
        return weights.among(cls=self._config.cls, fm=self._config.fm, im=self._config.im)


def planned_weights(config: LossConfig, schedule: Literal["paper", "released"], t: float) -> LossWeights:
    """Weights that training does not change: the evolving ones at time ``t``, or equal ones."""
    weights = EQUAL if config.weighting == "equal" else ews_weights(t, schedule)
    return weights.among(cls=config.cls, fm=config.fm, im=config.im)
