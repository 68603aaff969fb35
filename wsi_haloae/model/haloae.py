"""HaloAE: blocks B to E in one module (Mathian et al., VISAPP 2023, Fig. 2).

    tile --preprocess--> image --B--> features --C--> reconstruction --D--> image --E--> logits

Block A (Cut&Paste) belongs to training. Scoring needs only B and C: `features` and `reconstruct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.config import ModelConfig
from wsi_haloae.errors import ConfigError
from wsi_haloae.features.backbones import build_backbone
from wsi_haloae.features.frozen import REDUCTION
from wsi_haloae.features.grid import map_size
from wsi_haloae.features.preprocessing import TILE_MULTIPLE
from wsi_haloae.model.bergmann import IMAGE_MULTIPLE
from wsi_haloae.model.block_c import build_block_c
from wsi_haloae.model.image_decoder import Classifier, ImageDecoder
from wsi_haloae.model.recentre import around_centre
from wsi_haloae.model.ssim import WINDOW
from wsi_haloae.model.standardise import Standardise
from wsi_haloae.model.swin import SwinStages

LARGEST_TILE = 8192
"""Upper end of the search for a tile size with enough cells."""


@dataclass(frozen=True)
class HaloAEOutput:
    """Output of all blocks; m = `grid.map_size`, a quarter of the image size with a VGG."""

    features: Tensor  # (B, C, m, m), standardised
    reconstruction: Tensor  # (B, C, m, m)
    image: Tensor | None = None  # (B, 3, s, s), normalised; None where only B and C ran
    logits: Tensor | None = None  # (B, 1 or 2)


class HaloAE(nn.Module):
    """The whole model for tiles of ``tile_size`` pixels.

    Raises `ConfigError` for a tile size that does not divide evenly in the network.
    """

    def __init__(self, config: ModelConfig, tile_size: int) -> None:
        super().__init__()
        self.config, self.tile_size = config, tile_size
        self.image_size = check_tile_size(config, tile_size) // config.input_downsample
        self.map_size = map_size(config.features, self.image_size)
        self.backbone = build_backbone(config.features)
        channels = self.backbone.channels
        self.standardise = Standardise(channels)
        self.encoder, self.decoder = build_block_c(config, channels, self.map_size)
        self.image_decoder = ImageDecoder(channels, config.image_decoder, self.map_size, self.image_size)
        self.classifier = Classifier(self.image_size, config.classifier.logits)
        self._initialise()

    def _initialise(self) -> None:
        """Kaiming normal for what is trained (specification, section 1), except BN, position tables and Swin.

        Not for weights that take no memory yet: drawing those would import torch's compiler, which takes seconds.
        """
        if self.standardise.mean.is_meta:
            return
        for part in (self.encoder, self.decoder, self.image_decoder, self.classifier):
            if isinstance(part, SwinStages):
                continue
            for module in part.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                    nn.init.kaiming_normal_(module.weight)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)

    def train(self, mode: bool = True) -> HaloAE:
        """Set the mode of the trained parts; the frozen features stay in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Parameters of blocks C, D and E."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def trained_state(self) -> dict[str, Tensor]:
        """The state without the frozen features, which can be gigabytes and never change."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("backbone.")}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """Load what `trained_state` returned; the features stay."""
        features = {name: tensor for name, tensor in self.state_dict().items() if name.startswith("backbone.")}
        self.load_state_dict({**features, **state})

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Block B: normalised images (B, 3, s, s) -> features (B, C, m, m); no gradient."""
        standardised: Tensor = self.standardise(self.backbone(images))
        return standardised

    def reconstruct(self, features: Tensor) -> Tensor:
        """Block C: features (B, C, m, m) -> their reconstruction (B, C, m, m)."""
        return around_centre(self._block_c, features, self.config.recentre)

    def _block_c(self, features: Tensor) -> Tensor:
        return stretched(self.decoder(self.encoder(features)), features)

    def decode(self, reconstruction: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks D and E: reconstructed features (B, C, m, m) -> image (B, 3, s, s), logits (B, 1 or 2)."""
        image = self.image_decoder(reconstruction)
        return image, self.classifier(image)

    def forward(self, images: Tensor) -> HaloAEOutput:
        """Blocks B to E on normalised images (B, 3, s, s)."""
        features = self.features(images)
        reconstruction = self.reconstruct(features)
        return HaloAEOutput(features, reconstruction, *self.decode(reconstruction))


def stretched(reconstruction: Tensor, features: Tensor) -> Tensor:
    """Resize a reconstruction (B, C, k, k) to the features' grid, which only ``map_size: stretch60`` needs."""
    if reconstruction.shape[-2:] == features.shape[-2:]:
        return reconstruction
    return F.interpolate(reconstruction, size=features.shape[-2:], mode="nearest")


def check_tile_size(config: ModelConfig, tile_size: int) -> int:
    """Return ``tile_size`` if the model accepts it; otherwise raise `ConfigError` with a size that it accepts."""
    features, downsample = config.features, config.input_downsample
    coarsest = max((layer.reduction for layer in features.chosen_layers.values()), default=REDUCTION)
    unit = IMAGE_MULTIPLE if config.block_c == "bergmann" else max(REDUCTION, coarsest)
    multiple = lcm(TILE_MULTIPLE, unit * downsample)
    large_enough = (
        size for size in range(multiple, LARGEST_TILE + 1, multiple) if map_size(features, size // downsample) >= WINDOW
    )
    smallest = next(large_enough, None)
    if smallest is None:
        cells = map_size(features, LARGEST_TILE // downsample)
        raise ConfigError(
            f"backbone {features.backbone} gives {cells} x {cells} cells per tile, whatever its size, but SSIM needs "
            f"at least {WINDOW} x {WINDOW}. Choose finer model.features.stages."
        )
    if tile_size % multiple or tile_size < smallest:
        nearest = max(smallest, tile_size // multiple * multiple)
        coarse = features.timm_name is not None and tile_size < smallest and downsample > 1
        or_else = ", or set model.input_downsample=1" if coarse else ""
        raise ConfigError(
            f"tile size {tile_size} was given, but a multiple of {multiple}, at least {smallest}, is needed "
            f"(SSIM uses windows of {WINDOW} cells). Use tiles of {nearest} pixels{or_else}."
        )
    return tile_size
