"""Block B: frozen multi-scale features of a VGG network, cut after the last layer that is needed.

Simonyan and Zisserman 2014 (arXiv 1409.1556). Which layers are used and how they are combined: HaloAE, section 3.1.1.
Status: checked against torchvision's VGG in the tests.

    relu1_1, relu2_1, relu3_1, relu3_4 (relu3_3 in VGG16)  ->  64 + 128 + 256 + 256 = 704 channels
    at a quarter of the input's size, by average pooling (4x4, 2x2, none, none)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http.client import HTTPException
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.config import LAYERS, FeaturesConfig, Layer
from wsi_haloae.errors import UsageError
from wsi_haloae.features.frozen import REDUCTION, FrozenFeatures


class MultiScaleFeatures(FrozenFeatures):
    """RGB (B, 3, s, s), ImageNet-normalised -> features (B, C, s/4, s/4); never trained."""

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        chosen = config.chosen_layers
        width = config.random_width if config.backbone == "random" else 1.0
        self.alignment = config.alignment
        self.layers = tuple(chosen)
        modules: list[nn.Module] = []
        taps: dict[int, int] = {}  # position of a ReLU in the sequence -> pooling to a quarter of the input size
        channels, reduction, layer_channels = 3, 1, []
        for name, layer in _up_to(self.layers[-1], LAYERS[config.backbone].known):
            if layer.reduction > reduction:
                modules.append(nn.MaxPool2d(2))
            out = max(8, int(layer.channels * width))
            modules += [nn.Conv2d(channels, out, 3, padding=1, padding_mode="reflect"), nn.ReLU(inplace=True)]
            if name in chosen:
                taps[len(modules) - 1] = REDUCTION // layer.reduction
                layer_channels.append(out)
            channels, reduction = out, layer.reduction
        self.features = nn.Sequential(*modules)  # torchvision's name, so that its keys fit
        self.layer_channels = tuple(layer_channels)
        self._taps = taps
        if config.backbone == "random" or config.weights == "random":
            self._draw_weights(config.random_seed)
        self.requires_grad_(False)

    def _draw_weights(self, seed: int) -> None:
        if next(self.parameters()).is_meta:
            return
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


def _up_to(last: str, known: Mapping[str, Layer]) -> Iterator[tuple[str, Layer]]:
    for name, layer in known.items():
        yield name, layer
        if name == last:
            return


def _bring_together(x: Tensor, pooling: int, *, padded: bool) -> Tensor:
    if padded:
        # The published code reads these maps after the padding of the next layer, two pixels wider, and resizes them:
        # features shift by up to a pixel.
        size = (x.shape[-2] // pooling, x.shape[-1] // pooling)
        return F.interpolate(F.pad(x, (1, 1, 1, 1), mode="reflect"), size=size, mode="area")
    return F.avg_pool2d(x, pooling) if pooling > 1 else x


def split_layers(x: Tensor, layer_channels: tuple[int, ...]) -> list[Tensor]:
    """Split features or their residual (B, C, ...) into layers, along the channels."""
    edges = accumulate(layer_channels, initial=0)
    return [x[:, start:stop] for start, stop in pairwise(edges)]


def load_backbone_weights(features: nn.Module, backbone: str, weights: Path | None) -> str:
    """Fill a VGG or a DenseNet from a safetensors file, or from torchvision; returns a description of the source.

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
    """Fill all of ``network`` from ``state``, which may also hold more (a classifier); `UsageError` if that fails.

    The number of batches that a batch norm has seen may be missing: only training needs it.
    """
    wanted = {key: tensor for key, tensor in network.state_dict().items() if not key.endswith(".num_batches_tracked")}
    missing = sorted(key for key in wanted if key not in state or state[key].shape != wanted[key].shape)
    if missing:
        raise UsageError(
            f"{complaint}: {', '.join(missing[:3])} are missing or have another shape. "
            f"A safetensors file with {keys_of}'s keys ({next(iter(wanted))}, ...) is needed."
        )
    network.load_state_dict({**network.state_dict(), **{key: state[key] for key in wanted}})


def _from_torchvision(backbone: str) -> tuple[dict[str, Tensor], str]:
    from torch.hub import get_dir  # noqa: PLC0415  # of no use before
    from torchvision import models  # noqa: PLC0415  # slow to import, seldom needed

    chosen = models.get_model_weights(backbone).IMAGENET1K_V1
    try:
        if backbone == "densenet121":  # published with older names, which only its builder translates
            return models.densenet121(weights=chosen).state_dict(), f"torchvision {chosen}"
        return dict(chosen.get_state_dict(progress=True)), f"torchvision {chosen}"
    except (OSError, RuntimeError, HTTPException) as error:  # no internet, a lost connection, a damaged download
        raise UsageError(
            f"{backbone}: ImageNet weights are not on this machine and could not be downloaded ({error}). "
            f"Where there is internet, download {chosen.url}, and put that file here into "
            f"{Path(get_dir()) / 'checkpoints'}. Or pass a safetensors file with torchvision's keys (--weights FILE; "
            "with make demo-real, WEIGHTS=FILE); docs/installation.md says how to make one."
        ) from None
