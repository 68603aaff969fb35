"""Halo attention for scoring: one projection, and one matrix product that includes positions and padding.

A logit is q.k + q.rel_h[row] + q.rel_w[column], and minus infinity if the key lies outside the image. The relative
parts depend only on the query and on the key's row or column, so they can be written as a product too:

    query   q (d)    q.rel_h, one per row (w)    q.rel_w, one per column (w)    1
    key     k (d)    1 in its own row, else 0    1 in its own column, else 0    0, or `OUTSIDE`

Every tensor of logits is written only once, and fused kernels need no bias tensor. Only ``mask_neighbours`` needs one,
the same for every window, because it depends on row and column together. Status: equal to
`model.halo_attention.HaloAttention`, which the tests compare with a per-pixel float64 reference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.engine.convolution import folded, stacked
from wsi_haloae.model.halo_attention import HaloAttention, neighbours

CACHE_BYTES = 2 << 20
"""Bytes of logits to compute at a time: all at once would go out to memory and back three times."""
WIDTHS = 8
"""Fused kernels take heads whose width is a multiple of this."""
OUTSIDE = -1e30
"""The logit of a key that is masked: finite, because 0 x infinity is NaN; its share is exactly 0."""


class FusedHaloAttention(nn.Module):
    """`HaloAttention` with its weights: (B, C, h, w) -> (B, C, h, w), C padded to a multiple of 8."""

    rel_height: Tensor
    rel_width: Tensor
    places: Tensor
    hidden: Tensor | None

    def __init__(self, plain: HaloAttention) -> None:
        super().__init__()
        if plain.released_mask:
            raise ValueError("attention with the released mask cannot be fused: its masked logits are finite")
        self.heads, self.dim_head = plain.heads, plain.dim_head
        self.block, self.halo, self.window = plain.block, plain.halo, plain.window
        self.project = folded(plain.project, None, fill_input=False)
        self.to_qkv = stacked([plain.to_q, plain.to_k, plain.to_v], self.project.out_channels)
        with torch.no_grad():
            self.to_qkv.weight[: self.heads * self.dim_head] *= self.dim_head**-0.5
        key, query = torch.arange(self.window), torch.arange(self.block) + self.halo
        offset = key[None, :] - query[:, None] + self.window - 1  # (b, w)
        self.register_buffer("rel_height", plain.rel_height.detach()[offset])  # (b, w, d)
        self.register_buffer("rel_width", plain.rel_width.detach()[offset])  # (b, w, d)
        one_hot = torch.eye(self.window)
        rows = one_hot.repeat_interleave(self.window, dim=0)  # (w*w, w)
        self.register_buffer("places", torch.cat((rows, one_hot.repeat(self.window, 1)), dim=1))  # (w*w, 2w)

        near = neighbours(self.block, self.halo, plain.masked_radius) if plain.masked_radius else None
        self.register_buffer("hidden", None if near is None else OUTSIDE * near.float())  # (b*b, w*w)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        height, width = x.shape[-2:]
        pad_y, pad_x = -height % self.block, -width % self.block
        q, k, v = self.to_qkv(x).chunk(3, dim=1)  # (B, heads*d, h, w) each
        query = self._queries(F.pad(q, (0, pad_x, 0, pad_y)))
        around = (self.halo, self.halo + pad_x, self.halo, self.halo + pad_y)
        outside = F.pad(torch.zeros_like(x[:1, :1]), around, value=OUTSIDE)
        key = self._keys(self._windows(F.pad(k, around), self.dim_head), self._windows(outside, 1))
        values = self._windows(F.pad(v, around), self.dim_head)
        blocks = _attend(query, key, values, self.hidden)  # (B, heads, ny*nx, b*b, d)
        out: Tensor = self.project(self._unblock(blocks, height + pad_y, width + pad_x))
        return out[..., :height, :width]

    def _queries(self, q: Tensor) -> Tensor:
        """(B, heads*d, ny*b, nx*b) -> (B, heads, ny*nx, b*b, d + 2w + 1)."""
        batch, _, height, width = q.shape
        ny, nx, b = height // self.block, width // self.block, self.block
        q = q.reshape(batch, self.heads, self.dim_head, ny, b, nx, b)
        grid = q.permute(0, 1, 3, 5, 4, 6, 2).reshape(batch, self.heads, ny * nx, b, b, self.dim_head)
        by_row = torch.einsum("...yxd,ykd->...yxk", grid, self.rel_height)  # (B, heads, ny*nx, b, b, w)
        by_column = torch.einsum("...yxd,xkd->...yxk", grid, self.rel_width)
        return torch.cat((grid, by_row, by_column, torch.ones_like(grid[..., :1])), dim=-1).flatten(3, 4)

    def _windows(self, x: Tensor, depth: int) -> Tensor:
        """(B, heads*depth, ny*b + 2 halo, nx*b + 2 halo) -> (B, heads, ny*nx, w*w, depth)."""
        x = x.unfold(2, self.window, self.block).unfold(3, self.window, self.block)  # (B, heads*depth, ny, nx, w, w)
        batch, channels, ny, nx, w, _ = x.shape
        x = x.reshape(batch, channels // depth, depth, ny, nx, w, w)
        return x.permute(0, 1, 3, 4, 5, 6, 2).flatten(4, 5).flatten(2, 3)

    def _keys(self, k: Tensor, outside: Tensor) -> Tensor:
        """(B, heads, ny*nx, w*w, d) and (1, 1, ny*nx, w*w, 1) -> (B, heads, ny*nx, w*w, d + 2w + 1)."""
        leading = k.shape[:-1]
        return torch.cat((k, self.places.expand(*leading, -1), outside.expand(*leading, 1)), dim=-1)

    def _unblock(self, blocks: Tensor, height: int, width: int) -> Tensor:
        """(B, heads, ny*nx, b*b, d) -> (B, heads*d, ny*b, nx*b)."""
        b = self.block
        ny, nx = height // b, width // b
        x = blocks.reshape(len(blocks), self.heads, ny, nx, b, b, self.dim_head)
        return x.permute(0, 1, 6, 2, 4, 3, 5).reshape(len(blocks), -1, height, width)


def _attend(query: Tensor, key: Tensor, values: Tensor, hidden: Tensor | None) -> Tensor:
    """softmax(query key' + hidden) values over the last two dimensions; the scale is in the query already."""
    return (attend_fused if query.is_cuda else attend_in_pieces)(query, key, values, hidden)


def attend_in_pieces(query: Tensor, key: Tensor, values: Tensor, hidden: Tensor | None) -> Tensor:
    """Plain products, a few windows at a time: on a CPU faster than its fused kernel, also in bfloat16."""
    leading = query.shape[:-2]
    query, key, values = (part.reshape(-1, *part.shape[-2:]) for part in (query, key, values))
    logits_bytes = query.shape[1] * key.shape[1] * query.element_size()
    at_once = max(1, CACHE_BYTES // logits_bytes)
    parts = zip(*(torch.split(part, at_once) for part in (query, key, values)), strict=True)
    attended = torch.cat([_logits(q, k, hidden).softmax(dim=-1) @ v for q, k, v in parts])
    return attended.view(*leading, *attended.shape[1:])


def attend_fused(query: Tensor, key: Tensor, values: Tensor, hidden: Tensor | None) -> Tensor:
    """In the form that fused kernels take: four dimensions, and one width for all, a multiple of `WIDTHS`."""
    width = -(-max(query.shape[-1], values.shape[-1]) // WIDTHS) * WIDTHS
    # Each head of each tile counts as a batch of its own, and its blocks as heads.
    q, k, v = (F.pad(part.flatten(0, 1), (0, width - part.shape[-1])) for part in (query, key, values))
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=hidden, scale=1.0)  # (B*heads, ny*nx, b*b, width)
    return attended[..., : values.shape[-1]].reshape(*query.shape[:-1], values.shape[-1])


def _logits(query: Tensor, key: Tensor, hidden: Tensor | None) -> Tensor:
    if hidden is None:
        return query @ key.transpose(1, 2)
    return torch.baddbmm(hidden, query, key.transpose(1, 2))
