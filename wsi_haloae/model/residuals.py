"""What a model fails to reconstruct: the residuals behind every map and score, computed in one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.config import Config, ModelConfig
from wsi_haloae.config.rules import Compared
from wsi_haloae.features.frozen import FrozenFeatures
from wsi_haloae.features.preprocessing import normalise
from wsi_haloae.model.anomaly_map import by_layer, dissimilarity_map, residual_map
from wsi_haloae.model.cosine import Directions


@dataclass(frozen=True)
class Residuals:
    """Residuals of a batch on the feature map's grid, before any normalisation, with the features they belong to.

    ``squared`` is A_fm (paper, equation 4), ``dissimilarity`` is 1 - SSIM (None unless all layers were compared), and
    ``features`` is the one of these two that the configuration names. ``layers`` and ``layer_dissimilarities`` are the
    same for each feature layer, the latter for those that were compared: all, the deepest, or (None) none. ``channels``
    are the squared residuals of each channel. ``given`` are the features that block C reconstructs, ``rebuilt`` is what
    it makes of them, and ``directions`` says how to compare where the two point. ``image`` is A_im, the squared
    residual of the image averaged over each cell, and ``damaged`` is the classifier's P(damaged); both are None if
    blocks D and E did not run.
    """

    features: Tensor  # (B, m, m)
    squared: Tensor  # (B, m, m)
    layers: Tensor  # (B, layers, m, m)
    channels: Tensor  # (B, C, m, m)
    given: Tensor  # (B, C, m, m), standardised
    dissimilarity: Tensor | None = None  # (B, m, m)
    layer_dissimilarities: Tensor | None = None  # (B, compared layers, m, m)
    image: Tensor | None = None  # (B, m, m)
    damaged: Tensor | None = None  # (B,)
    rebuilt: Tensor | None = None  # (B, C, m, m)
    directions: Directions | None = None

    @property
    def unexplained(self) -> Tensor:
        """The features without their reconstruction: (B, C, m, m)."""
        assert self.rebuilt is not None, "always kept when tiles are scored"
        return self.given - self.rebuilt

    @property
    def apart(self) -> Tensor:
        """How far features and reconstruction point apart: (B, m, m)."""
        assert self.rebuilt is not None and self.directions is not None, "always kept when tiles are scored"
        return self.directions.apart(self.given, self.rebuilt)


class Reconstructing(Protocol):
    """What residuals need from a model: a `HaloAE`, or the engine's faster form of one."""

    config: ModelConfig
    map_size: int
    backbone: FrozenFeatures

    def features(self, images: Tensor) -> Tensor:
        """Block B."""

    def reconstruct(self, features: Tensor) -> Tensor:
        """Block C."""

    def decode(self, reconstruction: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks D and E."""


def residuals(
    model: Reconstructing,
    unit: Tensor,
    feature_range: Tensor,
    config: Config,
    *,
    decode: bool = False,
    compared: Compared = "none",
) -> Residuals:
    """Residuals of images (B, 3, s, s) in [0, 1].

    ``decode`` also runs blocks D and E, ``compared`` adds the dissimilarities of these layers.
    """
    images = normalise(unit, config.model.input_downsample).contiguous(memory_format=torch.channels_last)
    found = of_features(model, model.features(images), feature_range, config, compared)
    if not decode:
        return found
    assert found.rebuilt is not None, "of_features keeps it"
    decoded, logits = model.decode(found.rebuilt)
    image = F.adaptive_avg_pool2d(residual_map(images, decoded), model.map_size)  # (B, s, s) -> (B, m, m)
    return replace(found, image=image, damaged=_probability_of_damage(logits))


def of_features(
    model: Reconstructing, features: Tensor, feature_range: Tensor, config: Config, compared: Compared
) -> Residuals:
    """Residuals of standardised features (B, C, m, m), without blocks D and E."""
    reconstruction = model.reconstruct(features)
    channels = (features - reconstruction).square_()
    squared, layers = channels.mean(dim=1), by_layer(channels, model.backbone.layer_channels)
    chosen, unlike, unlike_layers = squared, None, None
    if compared == "all" or config.scoring.residual == "ssim":
        widths = model.backbone.ssim_channels
        unlike_channels = _dissimilarities(model, features, reconstruction, feature_range, sum(widths))
        unlike, unlike_layers = unlike_channels.mean(dim=1), by_layer(unlike_channels, widths)
        if config.scoring.residual == "ssim":
            chosen = unlike
    elif compared == "deepest":
        width = model.backbone.ssim_channels[-1]
        unlike_channels = _dissimilarities(model, features, reconstruction, feature_range, width)
        unlike_layers = unlike_channels.mean(dim=1, keepdim=True)
    return Residuals(
        chosen,
        squared,
        layers,
        channels,
        features,
        unlike,
        unlike_layers,
        rebuilt=reconstruction,
        directions=Directions.of(config, model.backbone.layer_channels),
    )


def _dissimilarities(
    model: Reconstructing, features: Tensor, reconstruction: Tensor, feature_range: Tensor, last: int
) -> Tensor:
    """1 - SSIM of each of the ``last`` channels, on the feature map's grid: (B, last, m, m)."""
    x, y = (model.backbone.for_ssim(maps)[:, -last:] for maps in (features, reconstruction))
    # The range of pixels is 1; feature_range describes their rearranged channels.
    data_range = None if model.config.features.backbone == "pixels" else feature_range[-last:]
    unlike = dissimilarity_map(x, y, data_range)
    return unlike if unlike.shape[-1] == model.map_size else F.adaptive_avg_pool2d(unlike, model.map_size)


def _probability_of_damage(logits: Tensor) -> Tensor:
    """P(damaged) from one logit or two; the loss is no score, because it knows the label: (B, 1 or 2) -> (B,)."""
    return logits.softmax(dim=1)[:, 1] if logits.shape[1] == 2 else logits[:, 0].sigmoid()
