"""The model for scoring: blocks B and C of a checkpoint, rewritten, on a device and in a chosen precision."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.engine import block_b, block_c
from wsi_haloae.engine.replay import Replayed
from wsi_haloae.model.haloae import HaloAE, stretched
from wsi_haloae.model.recentre import around_centre

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def default_precision(device: torch.device) -> str:
    """bfloat16 on GPUs that compute in it, float32 elsewhere."""
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


class InferenceModel(nn.Module):
    """A faster form of a `HaloAE` for `model.residuals`: same features, same reconstruction.

    In float32 the results equal the plain model's to a relative 1e-4. In bfloat16, convolutions and attention are
    computed in bfloat16; features and reconstruction are returned as float32, so residuals and all statistics are
    float32. Blocks D and E run only if a scoring rule needs them.

    Parts that are not rewritten are shared with the given model, and move to the device with it.
    """

    def __init__(self, model: HaloAE, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config, self.map_size = model.config, model.map_size
        self._dtype, self._channels = dtype, model.backbone.channels
        with torch.inference_mode(mode=False):  # otherwise the weights could not be used outside it
            backbone = block_b.for_scoring(model.backbone, device)
            self.backbone = backbone if dtype == torch.float32 else copy.deepcopy(backbone).to(dtype)
            self.encoder, self.decoder = (
                block_c.for_scoring(part, device).to(dtype) for part in (model.encoder, model.decoder)
            )
        self.standardise, self.image_decoder, self.classifier = model.standardise, model.image_decoder, model.classifier
        convolutions = (part.in_channels for part in self.encoder.modules() if isinstance(part, nn.Conv2d))
        self._filled_up = max(self._channels, next(convolutions, 0))
        self.requires_grad_(requires_grad=False)
        self.to(device).to(memory_format=torch.channels_last).eval()
        self._features: Callable[[Tensor], Tensor] = self._block_b
        self._reconstruct: Callable[[Tensor], Tensor] = self._block_c

    def replayed(self) -> InferenceModel:
        """The same model; on a CUDA device it runs from recorded graphs, for batches of one size."""
        other = copy.copy(self)  # of the same weights
        if next(self.parameters()).is_cuda:
            other._features, other._reconstruct = Replayed(self._block_b), Replayed(self._block_c)
        return other

    def features(self, images: Tensor) -> Tensor:
        """Block B: normalised images (B, 3, s, s) -> features (B, C, m, m), standardised, float32."""
        return self._features(images)

    def reconstruct(self, features: Tensor) -> Tensor:
        """Block C: features (B, C, m, m) -> their reconstruction, (B, C, m, m), float32."""
        return self._reconstruct(features)

    def _block_b(self, images: Tensor) -> Tensor:
        images = images.to(self._dtype, memory_format=torch.channels_last)
        standardised: Tensor = self.standardise(self.backbone(images).float())
        return standardised

    def _block_c(self, features: Tensor) -> Tensor:
        return around_centre(self._autoencode, features, self.config.recentre)

    def _autoencode(self, features: Tensor) -> Tensor:
        features = features.to(self._dtype)
        missing = self._filled_up - self._channels
        filled = F.pad(features, (0, 0, 0, 0, 0, missing)) if missing else features
        return stretched(self.decoder(self.encoder(filled))[:, : self._channels].float(), features)

    def decode(self, reconstruction: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks D and E: reconstructed features (B, C, m, m) -> image (B, 3, s, s), logits (B, 1 or 2)."""
        image = self.image_decoder(reconstruction)
        return image, self.classifier(image)
