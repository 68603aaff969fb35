"""A HaloAE whose features were computed before: what it takes for images are the feature maps themselves.

Everything behind block B is the product's own: standardisation, block C, the losses, and the residuals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.config import Config
from wsi_haloae.experiments.decoder.kept import KeptTiles
from wsi_haloae.features.frozen import FrozenFeatures
from wsi_haloae.model.halo_autoencoder import HaloDecoder, HaloEncoder
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.loose_cosine import require_layers
from wsi_haloae.model.principal_axes import PrincipalAxes
from wsi_haloae.model.principal_start import start_at_principal_axes
from wsi_haloae.model.recentre import recentred
from wsi_haloae.progress import Reporter
from wsi_haloae.training.fit import standardise_by
from wsi_haloae.training.statistics import draw, feature_statistics


class GivenFeatures(FrozenFeatures):
    """Block B that returns what it is given: features (B, C, m, m) of the backbone that it replaces."""

    def __init__(self, backbone: FrozenFeatures) -> None:
        super().__init__()
        self.layers, self.layer_channels = backbone.layers, backbone.layer_channels

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, m, m), as it is."""
        return features


def begin(kept: KeptTiles, config: Config, device: torch.device, reporter: Reporter) -> tuple[HaloAE, Tensor]:
    """The model that a training begins with, as `training.fit` makes it, and SSIM's range of each channel (C,)."""
    torch.manual_seed(config.training.seed)
    model = HaloAE(config.model, kept.tile_size)
    require_layers(config.loss.layer_groups, model.backbone.layers)
    model.backbone = GivenFeatures(model.backbone)
    model = model.to(device).to(memory_format=torch.channels_last)
    measured = draw(kept.train, config)
    feature_range = standardise_by(feature_statistics(kept.features(measured, device)), model, config)
    if config.model.autoencoder.start == "principal":
        assert isinstance(model.encoder, HaloEncoder) and isinstance(model.decoder, HaloDecoder)
        given = (model.features(features) for features in kept.features(measured, device))
        axes = PrincipalAxes.fit(recentred(features, config.model.recentre) for features in given)
        assert axes is not None, "a training has at least one tile"
        components = start_at_principal_axes(model.encoder, model.decoder, axes)
        reporter.line(f"block C starts as a PCA of {components} components")
    return model, feature_range
