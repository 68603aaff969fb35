"""Block C as a CNN: the convolutional auto-encoder of DFR (HaloAE, Table 4).

Shi, Yang and Qi 2021, *Unsupervised anomaly segmentation via deep feature reconstruction*,
Neurocomputing (arXiv 2012.07122). Its convolutions are 1x1: every cell is encoded on its own.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def dfr_cnn(channels: int, code: int) -> tuple[nn.Module, nn.Module]:
    """Encoder (B, C, m, m) -> (B, code, m, m) and decoder back, with C = ``channels`` and L = ``code``.

        encoder   C -> (C + 2L)/2   1x1, BN, ReLU        decoder   L -> 2L             1x1, BN, ReLU
                  (C + 2L)/2 -> 2L  1x1, BN, ReLU                  2L -> (C + 2L)/2    1x1, BN, ReLU
                  2L -> L           1x1                            (C + 2L)/2 -> C     1x1

    All convolutions have biases, as in DFR; (C + 2L)/2 is rounded down.
    """
    widths = (channels, (channels + 2 * code) // 2, 2 * code, code)
    return _convolutions(widths), _convolutions(widths[::-1])


def _convolutions(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, out in pairwise(widths):
        layers += [nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers[:-2])  # the last convolution is linear
