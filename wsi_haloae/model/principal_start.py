"""Initial weights of block C: the linear auto-encoder of the same width, along the shortcuts.

Starting from random weights, training spends its first hundreds of steps on what an eigendecomposition computes in
seconds (docs/decisions/0007-principal-start.md). Here the bodies of the stages output 0 at first, and their shortcuts
pass on the principal components of the features: block C reconstructs as PCA does, and training improves on that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsi_haloae.errors import ConfigError
from wsi_haloae.model.code import Code
from wsi_haloae.model.halo_autoencoder import HaloDecoder, HaloEncoder
from wsi_haloae.model.principal_axes import PrincipalAxes

LIFT = 6.0
"""Standard deviations added to every component, so that no ReLU on its way cuts it off."""


@torch.no_grad()
def start_at_principal_axes(encoder: HaloEncoder, decoder: HaloDecoder, axes: PrincipalAxes) -> int:
    """Set the weights in place; returns the number of components that pass, which is the narrowest width on their way.

    Channels beyond the narrowest width stay random features of the code, which the last stage does not use at first.
    Batch normalisation gives every component a deviation of 1, as a whitening PCA does. `ConfigError` if the last stage
    has no weights in its shortcut.
    """
    stages = [*encoder.stages, *decoder.stages]
    if isinstance(stages[-1].shortcut, nn.Identity):
        raise ConfigError(
            f"model.autoencoder.start=principal was given, but the decoder's last stage is already as wide as the "
            f"{len(axes.mean)} channels of the features, so its shortcut has no weights for their principal "
            "components. Make the stage before it narrower, or set model.autoencoder.start=shortcuts."
        )
    for stage in stages:
        stage.start_as_shortcut()
    head, norm = encoder.head[0], encoder.head[1]
    assert isinstance(head, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    kept = min(head.out_channels, head.in_channels)
    directions = axes.directions[:kept]
    scale = axes.variances[:kept].clamp_min(1e-6).sqrt()
    nn.init.zeros_(head.weight[:kept])
    centre = head.kernel_size[0] // 2
    head.weight[:kept, :, centre, centre] = (directions / scale[:, None]).to(head.weight)
    _whiten(norm, (directions @ axes.mean) / scale, kept)
    depth = len(encoder.stages)
    for stage in stages[:depth]:
        kept = _pass_on(stage.shortcut, kept)
    kept = _pass_through(encoder.code, kept)
    for stage in stages[depth:-1]:
        kept = _pass_on(stage.shortcut, kept)
    weight, norm = _shortcut(stages[-1].shortcut)  # (C, width)
    assert norm.running_mean is not None and norm.running_var is not None
    loadings = axes.directions[:kept].T * axes.variances[:kept].sqrt()  # (C, kept)
    nn.init.zeros_(weight)
    weight[:, :kept] = loadings.to(weight)
    spread = loadings.square().sum(dim=1)
    norm.weight.copy_(spread.sqrt())
    norm.bias.copy_(axes.mean)
    norm.running_mean.copy_(LIFT * loadings.sum(dim=1))
    norm.running_var.copy_(spread)
    return kept


def _pass_on(shortcut: nn.Module, kept: int) -> int:
    """Let the first ``kept`` channels through a shortcut; returns how many its width allows."""
    if isinstance(shortcut, nn.Identity):
        return kept
    weight, norm = _shortcut(shortcut)  # (out, in)
    kept = min(kept, norm.num_features)
    weight[:kept] = torch.eye(*weight[:kept].shape)
    _whiten(norm, torch.full((kept,), LIFT), kept)
    return kept


def _pass_through(code: Code, kept: int) -> int:
    """The same for the linear layers of a code of low rank.

    Further channels are sums of those that pass, with positive weights: below 0, the next ReLU would silence them.
    """
    if not (isinstance(code.narrow, nn.Conv2d) and isinstance(code.widen, nn.Conv2d)):
        return kept
    kept = min(kept, code.narrow.out_channels)
    narrow, widen = code.narrow.weight[:, :, 0, 0], code.widen.weight[:, :, 0, 0]
    narrow[:kept] = torch.eye(*narrow[:kept].shape)
    widen.abs_()
    widen[:kept] = torch.eye(*widen[:kept].shape)
    return kept


def _shortcut(shortcut: nn.Module) -> tuple[Tensor, nn.BatchNorm2d]:
    """A view (out, in) of the 1x1 convolution's weight, and the normalisation after it."""
    convolution, norm = shortcut.children()
    assert isinstance(norm, nn.BatchNorm2d)
    if isinstance(convolution, nn.ConvTranspose2d):
        return convolution.weight[:, :, 0, 0].T, norm
    assert isinstance(convolution, nn.Conv2d)
    return convolution.weight[:, :, 0, 0], norm


def _whiten(norm: nn.BatchNorm2d, mean: Tensor, kept: int) -> None:
    """The first channels enter with this mean (kept,), and leave with deviation 1, raised by `LIFT`."""
    assert norm.running_mean is not None and norm.running_var is not None
    nn.init.ones_(norm.weight)
    nn.init.constant_(norm.bias, LIFT)
    norm.running_mean[:kept] = mean.to(norm.running_mean)
    norm.running_var[:kept] = 1.0
