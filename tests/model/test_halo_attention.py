"""Halo attention against the slowest possible definition, and against the published bug."""

import numpy as np
import pytest
import torch

from wsi_haloae.config import AttentionConfig
from wsi_haloae.model.halo_attention import HaloAttention


def per_pixel_reference(attention: HaloAttention, x: torch.Tensor) -> np.ndarray:
    """One query at a time, in float64, straight from Vaswani et al. 2021, equations 2 and 3."""
    weights = {name: p.detach().double().numpy() for name, p in attention.named_parameters()}
    pixels = x.double().numpy()  # (B, C, h, w)
    batch, _, height, width = pixels.shape
    d, heads, b, halo = attention.dim_head, attention.heads, attention.block, attention.halo

    def projected(name: str) -> np.ndarray:
        return np.einsum("oc,bchw->bohw", weights[f"{name}.weight"][:, :, 0, 0], pixels)

    q, k, v = projected("to_q") * d**-0.5, projected("to_k"), projected("to_v")
    out = np.zeros((batch, heads * d, height, width))
    for n in range(batch):
        for y in range(height):
            for x_ in range(width):
                top, left = y // b * b, x_ // b * b
                rows = range(max(0, top - halo), min(height, top + b + halo))
                columns = range(max(0, left - halo), min(width, left + b + halo))
                for head in range(heads):
                    channels = slice(head * d, (head + 1) * d)
                    query = q[n, channels, y, x_]
                    logits, values = [], []
                    for key_y in rows:
                        for key_x in columns:
                            relative = (
                                weights["rel_height"][key_y - y + attention.window - 1]
                                + weights["rel_width"][key_x - x_ + attention.window - 1]
                            )
                            logits.append(query @ (k[n, channels, key_y, key_x] + relative))
                            values.append(v[n, channels, key_y, key_x])
                    weight = np.exp(np.array(logits) - max(logits))
                    out[n, channels, y, x_] = weight @ np.array(values) / weight.sum()
    result = np.einsum("oc,bchw->bohw", weights["project.weight"][:, :, 0, 0], out)
    return result + weights["project.bias"][None, :, None, None]


def make(channels: int = 6, heads: int = 2, **config: object) -> HaloAttention:
    torch.manual_seed(0)
    return HaloAttention(channels, heads, AttentionConfig(dim_head=4, **config))


@pytest.mark.parametrize(
    ("height", "width", "block", "halo"),
    [(12, 12, 4, 1), (10, 7, 4, 2), (5, 5, 8, 2), (9, 6, 3, 0), (6, 6, 2, 3)],
)
def test_equals_the_per_pixel_reference(height: int, width: int, block: int, halo: int) -> None:
    attention = make(block_size=block, halo_size=halo)
    x = torch.randn(2, 6, height, width)
    np.testing.assert_allclose(attention(x).detach().numpy(), per_pixel_reference(attention, x), rtol=0, atol=1e-5)


def test_equals_the_reference_with_the_papers_block_and_halo() -> None:
    attention = make(block_size=12, halo_size=2)
    x = torch.randn(1, 6, 26, 26)
    np.testing.assert_allclose(attention(x).detach().numpy(), per_pixel_reference(attention, x), rtol=0, atol=1e-5)


def blocks_that_answer(attention: HaloAttention, size: int) -> np.ndarray:
    """Whether each block's output changes when (only) its own input does."""
    b = attention.block
    per_side = -(-size // b)
    x = torch.randn(1, 6, size, size)
    before = attention(x)
    answers = np.zeros((per_side, per_side), dtype=bool)
    for row in range(per_side):
        for column in range(per_side):
            block = (..., slice(row * b, (row + 1) * b), slice(column * b, (column + 1) * b))
            changed = x.clone()
            changed[block] += 1
            varied = (attention(changed) - before)[block]
            answers[row, column] = bool(varied.abs().amax() > 1e-6)
    return answers


def test_every_block_depends_on_its_own_input() -> None:
    assert blocks_that_answer(make(block_size=12, halo_size=2), 60).all()
    assert blocks_that_answer(make(block_size=12, halo_size=2), 64).all()


def gradients(attention: HaloAttention, size: int) -> dict[str, float]:
    attention(torch.randn(2, 6, size, size)).square().sum().backward()
    return {name: float(p.grad.abs().sum()) for name, p in attention.named_parameters() if p.grad is not None}


def test_queries_keys_and_both_tables_learn() -> None:
    grads = gradients(make(block_size=12, halo_size=2), 60)
    for name in ("to_q.weight", "to_k.weight", "to_v.weight", "rel_height", "rel_width"):
        assert grads[name] > 0, name


def test_the_released_mask_does_what_was_measured_on_the_published_code() -> None:
    """Specification, section 0: 16 of 25 blocks are the bias, 9 are constant, nothing learns."""
    attention = make(block_size=12, halo_size=2, mask="released")
    with torch.no_grad():
        attention.project.bias.copy_(torch.randn(6))
        out = attention(torch.randn(1, 6, 60, 60))
    bias = attention.project.bias.view(1, 6, 1, 1)
    blocks = out.unfold(2, 12, 12).unfold(3, 12, 12)  # (1, 6, 5, 5, 12, 12)
    is_bias = ((blocks - bias[..., None, None]).abs().amax(dim=(0, 1, 4, 5)) < 1e-7).numpy()
    is_constant = (blocks.std(dim=(-2, -1)).amax(dim=(0, 1)) < 1e-6).numpy()
    assert is_bias.sum() == 16
    assert not is_bias[1:4, 1:4].any()
    assert is_constant.all()
    grads = gradients(attention, 60)
    assert all(grads[name] == 0 for name in ("to_q.weight", "to_k.weight", "rel_height", "rel_width"))
