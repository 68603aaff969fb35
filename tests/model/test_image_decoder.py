"""Block D at the size of any map."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsi_haloae.config import ImageDecoderConfig
from wsi_haloae.model.image_decoder import ImageDecoder


def sizes_of(decoder: ImageDecoder, map_size: int) -> list[int]:
    """What each convolution sees."""
    found: list[int] = []
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(lambda _module, given: found.append(given[0].shape[-1]))
    decoder(torch.randn(1, 4, map_size, map_size))
    return found


@pytest.mark.parametrize(
    ("map_size", "widths", "seen"),
    [
        (64, (8, 8, 8), [64, 64, 64, 64, 128]),
        (32, (8, 8, 8), [32, 32, 32, 64, 128]),
        (16, (8, 8, 8), [16, 16, 32, 64, 128]),
        (18, (8, 8, 8), [18, 18, 36, 64, 128]),
        (12, (8,), [48, 64, 128]),  # more doublings than convolutions: 24, 48, 64
        (16, (), [64, 128]),
    ],
)
def test_a_coarse_map_is_enlarged_before_the_last_convolutions(
    map_size: int, widths: tuple[int, ...], seen: list[int]
) -> None:
    decoder = ImageDecoder(4, ImageDecoderConfig(widths=widths), map_size, 256)
    assert sizes_of(decoder, map_size) == seen
    assert decoder(torch.randn(2, 4, map_size, map_size)).shape == (2, 3, 256, 256)


def test_a_map_of_a_quarter_has_the_layers_of_the_published_decoder() -> None:
    names = [type(module).__name__ for module in ImageDecoder(4, ImageDecoderConfig(widths=(8, 8)), 16, 64).layers]
    assert names == ["Conv2d", "ReLU", "Conv2d", "ReLU", "Conv2d", "Upsample", "Conv2d", "Upsample"]
