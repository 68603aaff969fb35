"""Block C of Swin transformer blocks (HaloAE, Table 4: "Block C as Swin").

Liu et al. 2021, *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows* (arXiv 2103.14030); as an
encoder with a mirrored decoder after Lin et al. 2022, *DS-TransUNet*. As in HaloAE, nothing is downsampled and no skip
connection bypasses the code. The paper only says "18 million" parameters: widths, depth and window are our choice. The
blocks are torchvision's. If the map is not a multiple of the window, they pad it with zeros and, unlike the halo
attention, attend to these.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from wsi_haloae.config import SwinConfig


class SwinStages(nn.Module):
    """Layers with channels last, one after the other: (B, C, h, w) -> (B, C', h, w).

    Weights start as in Swin, normal with deviation 0.02. Linear layers between two widths, which have no norm before
    them, start so that they keep the variance.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for layer in self.layers:
            if isinstance(layer, nn.Linear) and not layer.weight.is_meta:  # drawing those would import torch's compiler
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h, w)."""
        x = self.layers(x.permute(0, 2, 3, 1))  # (B, h, w, C')
        return x.permute(0, 3, 1, 2)


def swin(channels: int, code: int, config: SwinConfig) -> tuple[nn.Module, nn.Module]:
    """Encoder (B, C, m, m) -> (B, code, m, m) and decoder back, with C = ``channels``.

    Encoder: C -> linear to the first width -> ``depth`` blocks -> linear to the next width -> ...
    -> ``depth`` blocks as wide as the code. The decoder is the reverse, blocks before linears.
    """
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = []
    widths = (channels, *config.widths, code)
    for width, out in pairwise(widths):
        encoder += [nn.Linear(width, out), *_blocks(out, config)]
    for width, out in pairwise(reversed(widths)):
        decoder += [*_blocks(width, config), nn.Linear(width, out)]
    return SwinStages(encoder), SwinStages(decoder)


def heads_for(width: int, dim_head: int) -> int:
    """As many heads as divide ``width`` into equal parts of at least ``dim_head``; at least one."""
    return max(heads for heads in range(1, max(1, width // dim_head) + 1) if width % heads == 0)


def _blocks(width: int, config: SwinConfig) -> list[nn.Module]:
    """``depth`` blocks; in every second one the windows are shifted by half a window; no dropout."""
    from torchvision.models.swin_transformer import SwinTransformerBlock  # noqa: PLC0415  # slow, seldom needed

    return [
        SwinTransformerBlock(
            width,
            heads_for(width, config.dim_head),
            window_size=[config.window] * 2,
            shift_size=[number % 2 * (config.window // 2)] * 2,
        )
        for number in range(config.depth)
    ]
