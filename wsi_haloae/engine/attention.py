"""Halo attention for scoring: one projection, and one matrix product that includes positions and padding.

A logit is q.k + q.rel_h[row] + q.rel_w[column], and minus infinity if the key lies outside the image, that is if its
row or its column does. So all but q.k depends only on the query and on the key's row or column, and can be written as
a product too:

    query   q (d)    q.rel_h + outside, one per row (w)    q.rel_w + outside, one per column (w)
    key     k (d)    1 in its own row, else 0              1 in its own column, else 0

Every tensor of logits is written only once, and fused kernels need no bias tensor. Only ``mask_neighbours`` needs one,
the same for every window, because it depends on row and column together. In float32 on a CPU, where products are slow,
the two parts are added instead. Status: equal to `model.halo_attention.HaloAttention`, which the tests compare with a
per-pixel float64 reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Parts:
    """What logits consist of, for blocks of b*b queries that see windows of w*w keys.

    ``query`` (B, heads, ny, nx, b, b, d), ``key`` (B, heads, ny*nx, w*w, d); ``row`` and ``column``
    (B, heads, ny, nx, b, b, w) are added for a key's row and column, which ``places`` (w*w, 2w) has as ones.
    """

    query: Tensor
    row: Tensor
    column: Tensor
    key: Tensor
    places: Tensor

    def joined(self) -> tuple[Tensor, Tensor]:
        """Queries (B, heads, ny*nx, b*b, d + 2w) and keys (B, heads, ny*nx, w*w, d + 2w), with logits as products."""
        query = torch.cat((self.query, self.row, self.column), dim=-1).flatten(4, 5).flatten(2, 3)
        return query, torch.cat((self.key, self.places.expand(*self.key.shape[:-1], -1)), dim=-1)


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
        query = self._blocks(F.pad(q, (0, pad_x, 0, pad_y)))
        rows, columns = self._relative(query, height, width)
        around = (self.halo, self.halo + pad_x, self.halo, self.halo + pad_y)
        key, values = (self._windows(F.pad(part, around)) for part in (k, v))
        blocks = _attend(Parts(query, rows, columns, key, self.places), values, self.hidden)
        out: Tensor = self.project(self._unblock(blocks, height + pad_y, width + pad_x))
        return out[..., :height, :width]

    def _blocks(self, q: Tensor) -> Tensor:
        """(B, heads*d, ny*b, nx*b) -> (B, heads, ny, nx, b, b, d)."""
        batch, _, height, width = q.shape
        ny, nx, b = height // self.block, width // self.block, self.block
        q = q.reshape(batch, self.heads, self.dim_head, ny, b, nx, b)
        return q.permute(0, 1, 3, 5, 4, 6, 2).contiguous()

    def _relative(self, query: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """What the row and the column of a key add to its logit: (B, heads, ny, nx, b, b, w) each."""
        outside_rows, outside_columns = self._outside(height, query), self._outside(width, query)
        by_row = torch.einsum("...yxd,ykd->...yxk", query, self.rel_height).contiguous()
        by_column = torch.einsum("...yxd,xkd->...yxk", query, self.rel_width).contiguous()
        return by_row.add_(outside_rows[:, None, None, None]), by_column.add_(outside_columns[:, None, None])

    def _outside(self, extent: int, like: Tensor) -> Tensor:
        """0, or `OUTSIDE` for those keys of each window along one side that lie outside the image: (n, w)."""
        first = torch.arange(-self.halo, extent - self.halo, self.block, device=like.device)
        at = first[:, None] + torch.arange(self.window, device=like.device)
        return OUTSIDE * ((at < 0) | (at >= extent)).to(like.dtype)

    def _windows(self, x: Tensor) -> Tensor:
        """(B, heads*d, ny*b + 2 halo, nx*b + 2 halo) -> (B, heads, ny*nx, w*w, d)."""
        x = x.unfold(2, self.window, self.block).unfold(3, self.window, self.block)  # (B, heads*d, ny, nx, w, w)
        batch, _, ny, nx, w, _ = x.shape
        x = x.reshape(batch, self.heads, self.dim_head, ny, nx, w, w)
        return x.permute(0, 1, 3, 4, 5, 6, 2).flatten(4, 5).flatten(2, 3)

    def _unblock(self, blocks: Tensor, height: int, width: int) -> Tensor:
        """(B, heads, ny*nx, b*b, d) -> (B, heads*d, ny*b, nx*b)."""
        b = self.block
        ny, nx = height // b, width // b
        x = blocks.reshape(len(blocks), self.heads, ny, nx, b, b, self.dim_head)
        return x.permute(0, 1, 6, 2, 4, 3, 5).reshape(len(blocks), -1, height, width)


def _attend(parts: Parts, values: Tensor, hidden: Tensor | None) -> Tensor:
    """softmax(logits + hidden) values: (B, heads, ny*nx, b*b, d); the scale is in the query already."""
    if values.is_cuda:
        return attend_fused(*parts.joined(), values, hidden)
    if values.dtype == torch.float32:
        return attend_by_sums(parts, values, hidden)
    return attend_in_pieces(*parts.joined(), values, hidden)


def attend_by_sums(parts: Parts, values: Tensor, hidden: Tensor | None) -> Tensor:
    """For a CPU and float32: q.k is a product, the rest of a logit is added."""
    row, column = parts.row.flatten(0, 3)[..., :, None], parts.column.flatten(0, 3)[..., None, :]
    query, key = parts.query.flatten(0, 3).flatten(1, 2), parts.key.flatten(0, 2)

    def logits(some: slice) -> Tensor:
        added = (row[some] + column[some]).view(-1, query.shape[1], key.shape[1])  # (n, b*b, w*w)
        if hidden is not None:
            added += hidden
        return added.baddbmm_(query[some], key[some].transpose(1, 2))

    return _attended(logits, values, query)


def attend_in_pieces(query: Tensor, key: Tensor, values: Tensor, hidden: Tensor | None) -> Tensor:
    """For a CPU, where it is faster than the fused kernel, also in bfloat16."""
    query, key = query.flatten(0, 2), key.flatten(0, 2)

    def logits(some: slice) -> Tensor:
        if hidden is None:
            return query[some] @ key[some].transpose(1, 2)
        return torch.baddbmm(hidden, query[some], key[some].transpose(1, 2))

    return _attended(logits, values, query)


def _attended(logits: Callable[[slice], Tensor], values: Tensor, query: Tensor) -> Tensor:
    """softmax(logits) values, a few windows at a time, which stay in the cache."""
    flat = values.flatten(0, 2)
    at_once = max(1, CACHE_BYTES // (query.shape[1] * flat.shape[1] * values.element_size()))
    pieces = (slice(start, start + at_once) for start in range(0, len(flat), at_once))
    attended = torch.cat([logits(some).softmax(dim=-1) @ flat[some] for some in pieces])
    return attended.view(*values.shape[:3], *attended.shape[1:])


def attend_fused(query: Tensor, key: Tensor, values: Tensor, hidden: Tensor | None) -> Tensor:
    """In the form that fused kernels take: four dimensions, and one width for all, a multiple of `WIDTHS`."""
    width = -(-max(query.shape[-1], values.shape[-1]) // WIDTHS) * WIDTHS
    # Each head of each tile counts as a batch of its own, and its blocks as heads.
    q, k, v = (F.pad(part.flatten(0, 1), (0, width - part.shape[-1])) for part in (query, key, values))
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=hidden, scale=1.0)  # (B*heads, ny*nx, b*b, width)
    return attended[..., : values.shape[-1]].reshape(*query.shape[:-1], values.shape[-1])
