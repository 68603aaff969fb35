"""The three losses of HaloAE (paper, equations 1 and 2; specification, section 2).

The reconstruction losses use the originals only. The classification loss uses all views, with the same total weight
for originals and for damaged copies.

With ``negatives``, half of L_fm is that of the damaged copies: their reconstruction is compared with the features of
their *originals*, as in a denoising auto-encoder (Vincent et al. 2008, *Extracting and Composing Robust Features with
Denoising Autoencoders*). The two differ only where the copy was damaged, and there copying its input is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.config import LossConfig
from wsi_haloae.features.preprocessing import denormalise
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.loose_cosine import loose_cosine
from wsi_haloae.model.recentre import tile_means
from wsi_haloae.model.ssim import ssim
from wsi_haloae.model.weighting import T_END

IN_WORDS = (
    "losses: L_cls of telling damaged tiles from unchanged ones, L_fm of rebuilding features, L_im of the image; "
    "held-out L_fm is that of tiles that training does not use"
)


@dataclass(frozen=True)
class Losses:
    """Unweighted losses, each a scalar tensor; None for a term that is left out."""

    cls: Tensor | None
    fm: Tensor | None
    im: Tensor | None


def all_losses(
    model: HaloAE, images: Tensor, damaged: Tensor, feature_range: Tensor, config: LossConfig, t: float = T_END
) -> Losses:
    """Losses of a batch at schedule time ``t``; ``damaged`` (B,) is bool, ``images`` (B, 3, s, s) normalised.

    The damaged copies of an original follow it. Blocks that are only needed for a term that is left out do not run.
    """
    features = model.features(images)
    reconstruction = model.reconstruct(features)
    original = ~damaged
    image, logits = model.decode(reconstruction) if config.cls or config.im else (None, None)
    return Losses(
        cls=classification_loss(logits, damaged) if config.cls and logits is not None else None,
        fm=_features_lost(model, features, reconstruction, damaged, feature_range, config, t) if config.fm else None,
        im=image_loss(images[original], image[original], config) if config.im and image is not None else None,
    )


def _features_lost(
    model: HaloAE, features: Tensor, reconstruction: Tensor, damaged: Tensor, feature_range: Tensor,
    config: LossConfig, t: float,
) -> Tensor:  # fmt: skip
    """L_fm of the originals, or with negatives its mean with that of the copies."""
    originals = features[~damaged]
    of_originals = feature_loss(model, originals, reconstruction[~damaged], feature_range, config, t)
    if not config.negatives:
        return of_originals
    own = ((~damaged).cumsum(dim=0) - 1)[damaged]  # the last original before each copy
    of_copies = feature_loss(model, originals[own], reconstruction[damaged], feature_range, config, t)
    return 0.5 * (of_originals + of_copies)


def feature_loss(
    model: HaloAE, features: Tensor, reconstruction: Tensor, feature_range: Tensor, config: LossConfig, t: float = T_END
) -> Tensor:
    """L_fm = MSE + (1 - SSIM), equation 2; ``feature_range`` (C,) scales SSIM's constants.

    If the features are the pixels themselves, SSIM compares images with values in [0, 1]. ``fm_terms: cosine`` compares
    directions instead, about each tile's own mean if block C is recentred.
    """
    if config.fm_terms == "cosine":
        means = tile_means(features) if model.config.recentre == "tile" else 0.0
        return loose_cosine(features - means, reconstruction - means, model.backbone.layer_channels, config, t)
    mse = F.mse_loss(reconstruction, features)
    if config.fm_terms == "mse":
        return mse
    pixels = model.config.features.backbone == "pixels"
    x, y = model.backbone.for_ssim(features), model.backbone.for_ssim(reconstruction)
    dissimilarity = _dissimilarity(x, y, None if pixels else feature_range, config)
    return dissimilarity if config.fm_terms == "ssim" else mse + dissimilarity


def image_loss(images: Tensor, reconstruction: Tensor, config: LossConfig) -> Tensor:
    """L_im, the same for images; with scaled constants, SSIM compares them in [0, 1]."""
    mse = F.mse_loss(reconstruction, images)
    if config.ssim == "released":
        return mse + _dissimilarity(images, reconstruction, None, config)
    return mse + _dissimilarity(denormalise(images), denormalise(reconstruction), None, config)


def classification_loss(logits: Tensor, damaged: Tensor) -> Tensor:
    """L_cls, equation 1, with equal weight for both classes; logits (B, 1) or (B, 2)."""
    if logits.shape[1] == 2:
        each = F.cross_entropy(logits, damaged.long(), reduction="none")
    else:
        each = F.binary_cross_entropy_with_logits(logits[:, 0], damaged.to(logits.dtype), reduction="none")
    return 0.5 * (each[damaged].mean() + each[~damaged].mean())


def _dissimilarity(x: Tensor, y: Tensor, data_range: Tensor | None, config: LossConfig) -> Tensor:
    # In half precision, the differences of mean squares would lose too many digits.
    x, y = x.float(), y.float()
    with torch.autocast(device_type=x.device.type, enabled=False):
        if config.ssim == "released":
            return 1 - ssim(x, y, None, edge="zeros").mean()
        return 1 - ssim(x, y, data_range).mean()
