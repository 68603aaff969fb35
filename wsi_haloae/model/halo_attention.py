"""Halo attention: each block of pixels attends to itself and to a halo around it.

Vaswani et al. 2021, *Scaling Local Self-Attention for Parameter Efficient Visual Backbones*
(arXiv 2103.12731), equations 2 and 3. Status: equal to a per-pixel float64 reference.

The published HaloAE inverts the padding mask: real keys are masked and keys outside the image are kept, so no block
sees its own input. Here keys outside the image get -inf; ``mask: released`` keeps the published behaviour for
comparison (docs/decisions/0001-attention-mask.md).

``mask_neighbours`` hides a query's own neighbourhood from it (You et al. 2022, *A Unified Model for Multi-class Anomaly
Detection*, UniAD, arXiv 2206.03687), so that it must be inferred from what lies around. That holds for the attention
alone. UniAD has no convolutions; here, the convolutions before and after the attention and the shortcut around it pass
a cell's own values on as before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.config import AttentionConfig


class HaloAttention(nn.Module):
    """(B, C, h, w) -> (B, C, h, w), at any size: the last blocks are padded and masked.

    One query sees (block + 2 halo)^2 keys. Two tables of relative positions, for heights and for widths, are shared by
    all heads.
    """

    def __init__(self, channels: int, heads: int, config: AttentionConfig) -> None:
        super().__init__()
        self.heads, self.dim_head = heads, config.dim_head
        self.block, self.halo = config.block_size, config.halo_size
        self.window = self.block + 2 * self.halo
        self.released_mask = config.mask == "released"
        self.masked_radius = config.mask_neighbours
        inner = heads * config.dim_head
        self.to_q = nn.Conv2d(channels, inner, 1, bias=False)
        self.to_k = nn.Conv2d(channels, inner, 1, bias=False)
        self.to_v = nn.Conv2d(channels, inner, 1, bias=False)
        self.project = nn.Conv2d(inner, channels, 1)
        table = (2 * self.window - 1, config.dim_head)
        self.rel_height = nn.Parameter(_normal(table, config.dim_head**-0.5))
        self.rel_width = nn.Parameter(_normal(table, config.dim_head**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        height, width = x.shape[-2:]
        pad_y, pad_x = -height % self.block, -width % self.block
        q = self._blocks(F.pad(self.to_q(x), (0, pad_x, 0, pad_y))) * self.dim_head**-0.5
        k = self._windows(self._pad(self.to_k(x), pad_y, pad_x))
        v = self._windows(self._pad(self.to_v(x), pad_y, pad_x))
        logits = self._with_positions(q, k)  # (B, heads, ny, nx, b*b, w*w)
        in_image = self._pad(torch.ones_like(x[:1, :1]), pad_y, pad_x)
        blocks = self._mask(logits, in_image).softmax(dim=-1) @ v  # (B, heads, ny, nx, b*b, d)
        out: Tensor = self.project(self._unblock(blocks))
        return out[..., :height, :width]

    def _pad(self, x: Tensor, pad_y: int, pad_x: int) -> Tensor:
        """Zeros for the halo on every side, and up to the next multiple of the block size."""
        return F.pad(x, (self.halo, self.halo + pad_x, self.halo, self.halo + pad_y))

    def _blocks(self, x: Tensor) -> Tensor:
        """(B, heads*d, ny*b, nx*b) -> (B, heads, ny, nx, b*b, d)."""
        batch, _, height, width = x.shape
        ny, nx, b = height // self.block, width // self.block, self.block
        x = x.view(batch, self.heads, self.dim_head, ny, b, nx, b)
        return x.permute(0, 1, 3, 5, 4, 6, 2).reshape(batch, self.heads, ny, nx, b * b, self.dim_head)

    def _windows(self, x: Tensor) -> Tensor:
        """(B, heads*d, ny*b + 2 halo, nx*b + 2 halo) -> (B, heads, ny, nx, w*w, d)."""
        x = x.unfold(2, self.window, self.block).unfold(3, self.window, self.block)  # (B, heads*d, ny, nx, w, w)
        batch, _, ny, nx, w, _ = x.shape
        x = x.reshape(batch, self.heads, self.dim_head, ny, nx, w * w)
        return x.permute(0, 1, 3, 4, 5, 2)

    def _unblock(self, blocks: Tensor) -> Tensor:
        """(B, heads, ny, nx, b*b, d) -> (B, heads*d, ny*b, nx*b)."""
        batch, heads, ny, nx, _, d = blocks.shape
        x = blocks.view(batch, heads, ny, nx, self.block, self.block, d)
        return x.permute(0, 1, 6, 2, 4, 3, 5).reshape(batch, heads * d, ny * self.block, nx * self.block)

    def _with_positions(self, q: Tensor, k: Tensor) -> Tensor:
        """q.k + q.rel_h[key_y - query_y] + q.rel_w[key_x - query_x]: (B, heads, ny, nx, b*b, w*w).

        A query has one relative logit for each row and one for each column of the window; a key gets those of its own
        row and column.
        """
        key = torch.arange(self.window, device=q.device)
        query = torch.arange(self.block, device=q.device) + self.halo
        offset = key[None, :] - query[:, None] + self.window - 1  # (b, w)
        grid = q.view(*q.shape[:-2], self.block, self.block, self.dim_head)  # (B, heads, ny, nx, b, b, d)
        by_row = torch.einsum("...yxd,ykd->...yxk", grid, self.rel_height[offset])
        by_column = torch.einsum("...yxd,xkd->...yxk", grid, self.rel_width[offset])
        logits = q @ k.transpose(-1, -2)
        by_place = logits.view(*logits.shape[:-1], self.window, self.window)  # (B, heads, ny, nx, b*b, w, w)
        by_place += by_row.flatten(-3, -2)[..., :, None]
        by_place += by_column.flatten(-3, -2)[..., None, :]
        return logits

    def _mask(self, logits: Tensor, in_image: Tensor) -> Tensor:
        """Exclude keys from the softmax; ``in_image`` is the padded map of ones, (1, 1, ...)."""
        keys = in_image.unfold(2, self.window, self.block).unfold(3, self.window, self.block)
        valid = keys.flatten(-2)[:, :, :, :, None, :] > 0  # (1, 1, ny, nx, 1, w*w)
        if self.released_mask:
            # The lowest finite number, not -inf: a window whose keys are all masked averages them.
            return logits.masked_fill(valid, torch.finfo(logits.dtype).min)
        if self.masked_radius:
            valid = valid & ~neighbours(self.block, self.halo, self.masked_radius, valid.device)
        return logits.masked_fill(~valid, -torch.inf)


def neighbours(block: int, halo: int, radius: int, device: torch.device | None = None) -> Tensor:
    """Whether a key is at most ``radius`` rows and columns from a query: bool (b*b, w*w), queries by keys."""
    key, query = torch.arange(block + 2 * halo, device=device), torch.arange(block, device=device) + halo
    close = (key[None, :] - query[:, None]).abs() <= radius  # (b, w)
    both = close[:, None, :, None] & close[None, :, None, :]  # (b, b, w, w)
    return both.flatten(2).flatten(0, 1)


def largest_radius(cells: int, block: int, halo: int) -> int:
    """The largest ``mask_neighbours`` that leaves each query a key, on a map of ``cells`` x ``cells``.

    The last block of a row may have few cells, and the image none beyond them: its queries see the least. Blocks that
    are further than a halo from both ends are alike.
    """
    blocks, near_an_end = -(-cells // block), halo // block + 2
    furthest: list[int] = []
    for number in {*range(min(blocks, near_an_end)), *range(max(0, blocks - near_an_end), blocks)}:
        start = number * block
        first, last = max(0, start - halo), min(cells, start + block + halo) - 1
        middle = min(max((first + last) // 2, start), min(start + block, cells) - 1)  # of the block's queries
        furthest.append(max(middle - first, last - middle))
    return max(0, min(furthest) - 1)


def _normal(shape: tuple[int, int], deviation: float) -> Tensor:
    """Normal numbers, unless they take no memory: to compute those would import torch's compiler."""
    numbers = torch.empty(shape)
    return numbers if numbers.is_meta else numbers.normal_() * deviation
