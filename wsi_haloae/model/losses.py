"""The three losses of HaloAE (paper, equations 1 and 2; specification, section 2).

Reconstruction losses look at the originals only; the classification loss at all views, with
originals and damaged copies weighing the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.model.haloae import HaloAEOutput
from wsi_haloae.model.preprocessing import denormalise
from wsi_haloae.model.ssim import WINDOW, ssim

SsimForm = Literal["scaled", "released"]


@dataclass(frozen=True)
class Losses:
    """Unweighted losses, each a scalar tensor."""

    cls: Tensor
    fm: Tensor
    im: Tensor


def all_losses(output: HaloAEOutput, images: Tensor, damaged: Tensor, feature_range: Tensor, form: SsimForm) -> Losses:
    """Losses of a batch; ``damaged`` (B,) is bool, ``images`` (B, 3, s, s) the normalised input."""
    original = ~damaged
    return Losses(
        cls=classification_loss(output.logits, damaged),
        fm=feature_loss(output.features[original], output.reconstruction[original], feature_range, form),
        im=image_loss(images[original], output.image[original], form),
    )


def feature_loss(features: Tensor, reconstruction: Tensor, feature_range: Tensor, form: SsimForm) -> Tensor:
    """L_fm = MSE + (1 - SSIM), equation 2; ``feature_range`` (C,) scales SSIM's constants."""
    return F.mse_loss(reconstruction, features) + _dissimilarity(features, reconstruction, feature_range, form)


def image_loss(images: Tensor, reconstruction: Tensor, form: SsimForm) -> Tensor:
    """L_im, the same on images; SSIM in its scaled form looks at them in [0, 1]."""
    mse = F.mse_loss(reconstruction, images)
    if form == "released":
        return mse + _dissimilarity(images, reconstruction, None, form)
    return mse + _dissimilarity(denormalise(images), denormalise(reconstruction), None, form)


def classification_loss(logits: Tensor, damaged: Tensor) -> Tensor:
    """L_cls, equation 1, with the two classes weighing equally; logits (B, 1) or (B, 2)."""
    if logits.shape[1] == 2:
        each = F.cross_entropy(logits, damaged.long(), reduction="none")
    else:
        each = F.binary_cross_entropy_with_logits(logits[:, 0], damaged.to(logits.dtype), reduction="none")
    return 0.5 * (each[damaged].mean() + each[~damaged].mean())


def _dissimilarity(x: Tensor, y: Tensor, data_range: Tensor | None, form: SsimForm) -> Tensor:
    # Means of squares cancel badly in half precision.
    x, y = x.float(), y.float()
    with torch.autocast(device_type=x.device.type, enabled=False):
        if form == "released":
            return 1 - ssim(x, y, None, padding=WINDOW // 2).mean()
        return 1 - ssim(x, y, data_range).mean()
