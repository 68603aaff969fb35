"""Block B: frozen multi-scale features of a VGG network, cut after the last layer that is needed.

Simonyan and Zisserman 2014 (arXiv 1409.1556). Which layers are used and how they are combined: HaloAE, section 3.1.1.
Status: checked against torchvision's VGG in the tests.

    relu1_1, relu2_1, relu3_1, relu3_4 (relu3_3 in VGG16)  ->  64 + 128 + 256 + 256 = 704 channels
    at a quarter of the input's size, by average pooling (4x4, 2x2, none, none)
"""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.config import FeaturesConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.features.frozen import REDUCTION, FrozenFeatures


@dataclass(frozen=True)
class _Plan:
    """Numbers of channels by stage, and which convolutions (counted from 0) are used as features."""

    stages: tuple[tuple[int, ...], ...]
    taps: tuple[int, ...]
    names: tuple[str, ...]


_VGG19 = _Plan(((64, 64), (128, 128), (256,) * 4), (0, 2, 4, 7), ("relu1_1", "relu2_1", "relu3_1", "relu3_4"))
_VGG16 = _Plan(((64, 64), (128, 128), (256,) * 3), (0, 2, 4, 6), ("relu1_1", "relu2_1", "relu3_1", "relu3_3"))


class MultiScaleFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, s/4, s/4); never trained."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        plan = _VGG16 if config.backbone == "vgg16" else _VGG19
        width = config.random_width if config.backbone == "random" else 1.0
        self.alignment = config.alignment
        self.layers = plan.names
        modules: list[nn.Module] = []
        taps: dict[int, int] = {}  # position of a ReLU in the sequence -> pooling to a quarter of the input size
        channels, conv_number, layer_channels = 3, 0, []
        for stage, widths in enumerate(plan.stages):
            if stage:
                modules.append(nn.MaxPool2d(2))
            for wanted in widths:
                out = max(8, int(wanted * width))
                modules += [nn.Conv2d(channels, out, 3, padding=1, padding_mode="reflect"), nn.ReLU(inplace=True)]
                if conv_number in plan.taps:
                    taps[len(modules) - 1] = REDUCTION >> stage
                    layer_channels.append(out)
                channels, conv_number = out, conv_number + 1
        self.features = nn.Sequential(*modules)  # torchvision's name, so that its keys fit
        self.layer_channels = tuple(layer_channels)
        self._taps = taps
        if config.backbone == "random" or config.weights == "random":
            self._draw_weights(config.random_seed)
        self.requires_grad_(False)

    def _draw_weights(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # built with a bias above

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, C, s/4, s/4)."""
        maps = []
        x = images
        for position, module in enumerate(self.features):
            x = module(x)
            if position in self._taps:
                before_conv = position < len(self.features) - 1
                padded = self.alignment == "released" and before_conv
                maps.append(_bring_together(x, self._taps[position], padded=padded))
        return torch.cat(maps, dim=1)  # (B, C, s/4, s/4)


def _bring_together(x: Tensor, pooling: int, *, padded: bool) -> Tensor:
    if padded:
        # The published code reads these maps after the padding of the next layer, two pixels wider, and resizes them:
        # features shift by up to a pixel.
        size = (x.shape[-2] // pooling, x.shape[-1] // pooling)
        return F.interpolate(F.pad(x, (1, 1, 1, 1), mode="reflect"), size=size, mode="area")
    return F.avg_pool2d(x, pooling) if pooling > 1 else x


def split_layers(x: Tensor, layer_channels: tuple[int, ...]) -> list[Tensor]:
    """Split features or their residual (B, C, ...) into layers, along the channels."""
    edges = [0, *torch.tensor(layer_channels).cumsum(0).tolist()]
    return [x[:, start:stop] for start, stop in pairwise(edges)]


def load_backbone_weights(features: nn.Module, backbone: str, weights: Path | None) -> str:
    """Fill a VGG backbone from a safetensors file, or from torchvision; returns a description of the source.

    Raises `UsageError` when the file does not fit, or when nothing can be downloaded.
    """
    if backbone == "random":
        return "random weights, fixed seed"
    if backbone == "pixels":
        return "the pixels themselves"
    state, source = (read_weights(weights), weights.name) if weights else _from_torchvision(backbone)
    take_weights(features, state, f"{source}: these weights do not fit {backbone}", keys_of="torchvision")
    return source


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file given with --weights; `UsageError` for any other file."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"--weights {path}: cannot be read as a safetensors file ({error}).") from None


def take_weights(network: nn.Module, state: dict[str, Tensor], complaint: str, *, keys_of: str) -> None:
    """Fill all of ``network`` from ``state``, which may also hold more (a classifier); `UsageError` if that fails."""
    wanted = network.state_dict()
    missing = sorted(key for key in wanted if key not in state or state[key].shape != wanted[key].shape)
    if missing:
        raise UsageError(
            f"{complaint}: {', '.join(missing[:3])} are missing or have another shape. "
            f"A safetensors file with {keys_of}'s keys ({next(iter(wanted))}, ...) is needed."
        )
    network.load_state_dict({key: state[key] for key in wanted})


def _from_torchvision(backbone: str) -> tuple[dict[str, Tensor], str]:
    from torchvision.models import VGG16_Weights, VGG19_Weights  # noqa: PLC0415  # slow to import, seldom needed

    chosen = VGG19_Weights.IMAGENET1K_V1 if backbone == "vgg19" else VGG16_Weights.IMAGENET1K_V1
    try:
        return dict(chosen.get_state_dict(progress=True)), f"torchvision {chosen}"
    except (OSError, RuntimeError, HTTPException) as error:  # no internet, a lost connection, a damaged download
        raise UsageError(
            f"{backbone}: ImageNet weights are not on this machine and could not be downloaded ({error}). "
            "Pass a safetensors file with torchvision's keys: --weights vgg19_features.safetensors."
        ) from None
