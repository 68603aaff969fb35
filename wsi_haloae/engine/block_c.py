"""Block C for scoring: the same bottlenecks with batch norms folded in, widths padded, attention fused."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wsi_haloae.engine.attention import FusedHaloAttention
from wsi_haloae.engine.convolution import Convolution, folded, pointwise
from wsi_haloae.model.halo_attention import HaloAttention
from wsi_haloae.model.halo_autoencoder import DecoderStage, EncoderStage, HaloDecoder, HaloEncoder


class Bottleneck(nn.Module):
    """An `EncoderStage` or a `DecoderStage`: expand -> ReLU -> attention -> ReLU -> reduce -> + shortcut."""

    def __init__(self, stage: EncoderStage | DecoderStage) -> None:
        super().__init__()
        expand, expand_norm, _, attention, _, reduce, reduce_norm = stage.body
        self.expand = folded(_conv(expand), _norm(expand_norm))
        self.attention: nn.Module = nn.Identity()
        if isinstance(attention, HaloAttention):
            self.attention = FusedHaloAttention(attention)
        self.reduce = folded(_conv(reduce), _norm(reduce_norm))
        self.shortcut: nn.Module = nn.Identity()
        if isinstance(stage.shortcut, nn.Sequential):
            conv, norm = stage.shortcut
            self.shortcut = folded(_conv(conv), _norm(norm))
        self.ends_in_relu = isinstance(stage.relu, nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, out, h, w), both padded to multiples of 8."""
        body: Tensor = self.attention(self.expand(x).relu_())
        sums: Tensor = self.reduce(body.relu_()).add_(self.shortcut(x))
        return sums.relu_() if self.ends_in_relu else sums


def for_scoring(part: nn.Module, device: torch.device) -> nn.Module:
    """Rewrite an encoder or a decoder for ``device``, with its own copy of the weights; the original does not change.

    A HaloNet is folded, padded and fused; its input and output have padded channels. In other sequences only batch
    norms are folded. Anything else is copied, and so is a HaloNet with the released mask, which serves comparison, not
    speed.
    """
    if isinstance(part, HaloEncoder | HaloDecoder) and not _masked_as_released(part):
        stages = [Bottleneck(stage) for stage in part.stages if isinstance(stage, EncoderStage | DecoderStage)]
        rewritten = nn.Sequential(*_head(part), *stages, *_code(part))
        for module in rewritten.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
                pointwise(module, device)
        return rewritten
    if isinstance(part, nn.Sequential):
        return _without_norms(copy.deepcopy(part))
    return copy.deepcopy(part)


def _head(part: HaloEncoder | HaloDecoder) -> list[nn.Module]:
    if isinstance(part, HaloDecoder):
        return []
    conv, norm, _ = part.head
    return [folded(_conv(conv), _norm(norm)), nn.ReLU(inplace=True)]


def _code(part: HaloEncoder | HaloDecoder) -> list[nn.Module]:
    """The code's linear layers, if it has any; its noise is for training alone."""
    layers = (part.code.narrow, part.code.widen) if isinstance(part, HaloEncoder) else ()
    return [folded(layer, None) for layer in layers if isinstance(layer, nn.Conv2d)]


def _masked_as_released(part: nn.Module) -> bool:
    return any(isinstance(module, HaloAttention) and module.released_mask for module in part.modules())


def _without_norms(layers: nn.Sequential) -> nn.Sequential:
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(kept[-1], nn.Conv2d):
            kept[-1] = fuse_conv_bn_eval(kept[-1], layer)
        else:
            kept.append(layer)
    return nn.Sequential(*kept)


def _conv(module: nn.Module) -> Convolution:
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d), "stages consist of convolutions"
    return module


def _norm(module: nn.Module) -> nn.BatchNorm2d:
    assert isinstance(module, nn.BatchNorm2d), "stages have batch norms"
    return module
