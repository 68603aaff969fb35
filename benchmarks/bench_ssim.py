"""SSIM of 704 channels as a matrix product, compared with a grouped convolution."""

from __future__ import annotations

import torch
from machine import print_row, seconds_in_turn
from torch.nn import functional as F

from wsi_haloae.model.ssim import SIGMA, WINDOW, ssim


def convolved(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The usual form: five depthwise 11x11 convolutions."""
    taps = torch.exp(-((torch.arange(WINDOW) - WINDOW // 2).float() ** 2) / (2 * SIGMA**2))
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    weight = kernel.expand(x.shape[1], 1, WINDOW, WINDOW).contiguous()

    def blur(z: torch.Tensor) -> torch.Tensor:
        return F.conv2d(z, weight, groups=x.shape[1])

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y, both = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return (value / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean(dim=(-2, -1))


def main() -> None:
    """Time forward and backward passes on the paper's map, with 4 images."""
    torch.manual_seed(0)
    x, y = torch.rand(4, 704, 64, 64), torch.rand(4, 704, 64, 64, requires_grad=True)
    difference = float((ssim(x, y, None) - convolved(x, y)).abs().max())
    ours, reference = seconds_in_turn(
        lambda: ssim(x, y, None).mean().backward(), lambda: convolved(x, y).mean().backward(), runs=3
    )
    print_row("ssim", seconds=ours, reference_seconds=reference, speedup=reference / ours, difference=difference)


if __name__ == "__main__":
    main()
