"""Structural similarity (Wang et al. 2004), as a matrix product.

The 11-tap Gaussian is separable, and along one axis it is a banded matrix. Two products per map give exactly the result
of a grouped convolution, much faster for hundreds of channels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

WINDOW = 11
SIGMA = 1.5


Edge = Literal["valid", "zeros", "reflect"]
"""*valid*: whole windows only. The others have a window at every position: with *zeros* beyond the edge, as in the
published code, or with the *reflect*-ed map, as for anomaly maps."""


def ssim(x: Tensor, y: Tensor, data_range: Tensor | None, *, edge: Edge = "valid") -> Tensor:
    """SSIM of each channel, averaged over positions: (B, C, h, w) twice -> (B, C); see `ssim_map`."""
    return ssim_map(x, y, data_range, edge=edge).mean(dim=(-2, -1))


def ssim_map(x: Tensor, y: Tensor, data_range: Tensor | None, *, edge: Edge = "valid") -> Tensor:
    """SSIM at each position: (B, C, h, w) twice -> (B, C, h', w'); h' = h - 10 for ``edge`` *valid*, else h.

    ``data_range`` (C,) scales the constants: C1 = (0.01 L)^2, C2 = (0.03 L)^2; None means L = 1.
    """
    x, y = x.contiguous(), y.contiguous()  # once here, or each product below would copy
    length = torch.ones(x.shape[1], device=x.device) if data_range is None else data_range
    c1 = (0.01 * length).square().view(1, -1, 1, 1)
    c2 = (0.03 * length).square().view(1, -1, 1, 1)
    rows = _gaussian_band(x.shape[-2], edge, x.device, x.dtype)
    columns = _gaussian_band(x.shape[-1], edge, x.device, x.dtype)

    def blur(z: Tensor) -> Tensor:
        return rows @ z @ columns.T  # (B, C, h', w')

    mean_x, mean_y = blur(x), blur(y)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance = blur(x * y) - product
    variances = blur(x.square() + y.square()) - squares  # only their sum is needed, which saves a product
    return (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # cached for training too, even if scoring is first
def _gaussian_band(size: int, edge: Edge, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(size', size): each row holds the kernel at its window's position; reflected taps are added where they fall."""
    taps = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    kernel = torch.exp(-taps.square() / (2 * SIGMA**2))
    kernel /= kernel.sum()
    padding = 0 if edge == "valid" else WINDOW // 2
    band = torch.zeros(size - WINDOW + 1 + 2 * padding, size + 2 * padding, dtype=torch.float64)
    for row in range(len(band)):
        band[row, row : row + WINDOW] = kernel
    inside = band[:, padding : padding + size].clone()
    if edge == "reflect":
        inside[:, 1 : padding + 1] += band[:, :padding].flip(1)
        inside[:, -padding - 1 : -1] += band[:, -padding:].flip(1)
    return inside.to(device=device, dtype=dtype)
