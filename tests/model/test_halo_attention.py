"""Halo attention against the slowest possible definition, and against the published bug."""

import numpy as np
import pytest
import torch

from tests.model.tiny import meta_model
from wsi_haloae.config import AttentionConfig, load_config
from wsi_haloae.errors import ConfigError
from wsi_haloae.model.halo_attention import HaloAttention, largest_radius


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
                            if 0 < attention.masked_radius >= max(abs(key_y - y), abs(key_x - x_)):
                                continue
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
    ("height", "width", "block", "halo", "radius"),
    [
        *((12, 12, 4, 1, 0), (10, 7, 4, 2, 0), (5, 5, 8, 2, 0), (9, 6, 3, 0, 0), (6, 6, 2, 3, 0)),
        *((12, 12, 4, 1, 1), (10, 7, 4, 2, 1), (5, 5, 8, 2, 1), (9, 3, 4, 2, 1), (6, 6, 2, 3, 2)),
    ],
)
def test_equals_the_per_pixel_reference(height: int, width: int, block: int, halo: int, radius: int) -> None:
    attention = make(block_size=block, halo_size=halo, mask_neighbours=radius)
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


@pytest.mark.parametrize("cell", [(0, 0), (0, 8), (8, 8), (4, 5)])
def test_a_masked_neighbourhood_hides_a_cell_from_those_near_it_and_from_no_others(cell: tuple[int, int]) -> None:
    attention = make(block_size=9, halo_size=0, mask_neighbours=2)
    x = torch.randn(1, 6, 9, 9)
    changed = x.clone()
    changed[..., cell[0], cell[1]] += 5
    with torch.no_grad():
        moved = (attention(changed) - attention(x)).abs().amax(dim=(0, 1)) > 1e-7
    near = torch.zeros(9, 9, dtype=torch.bool)
    near[max(0, cell[0] - 2) : cell[0] + 3, max(0, cell[1] - 2) : cell[1] + 3] = True
    near[cell] = False
    assert not moved[near].any()
    near[cell] = True
    assert moved[~near].all()
    assert moved[cell], "the cell itself asks another question"


def test_gradients_stay_finite_where_blocks_are_padded() -> None:
    grads = gradients(make(block_size=4, halo_size=2, mask_neighbours=1), 6)
    assert all(np.isfinite(value) and value > 0 for value in grads.values())


@pytest.mark.parametrize(
    ("cells", "block", "halo"), [(64, 12, 2), (32, 8, 2), (12, 5, 1), (5, 8, 2), (13, 4, 1), (4, 1, 0), (5, 1, 3)]
)
def test_the_largest_radius_leaves_each_query_a_key_and_no_larger_one_does(cells: int, block: int, halo: int) -> None:
    def fewest_keys(radius: int) -> int:
        keys = []
        for y in range(cells):
            start = y // block * block
            seen = range(max(0, start - halo), min(cells, start + block + halo))
            keys.append(sum(abs(key - y) > radius for key in seen))
        return min(keys)  # a query in the worst row and column sees none if both are 0

    largest = largest_radius(cells, block, halo)
    assert largest == 0 or fewest_keys(largest) > 0
    assert fewest_keys(largest + 1) == 0


def test_a_radius_that_leaves_a_query_no_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mask_neighbours 8 hides every key.*choose at most 7"):
        load_config("haloae", ["model.attention.mask_neighbours=8"])
    with pytest.raises(ConfigError, match=r"set model\.attention\.mask=correct"):
        load_config("haloae-as-released", ["model.attention.mask_neighbours=1"])
    assert largest_radius(64, 12, 2) == 2, "the last block has 4 of 12 cells"
    meta_model("haloae", "model.attention.mask_neighbours=2")
    with pytest.raises(ConfigError, match=r"64 x 64 cells.*Choose at most 2, or a block_size that divides 64"):
        meta_model("haloae", "model.attention.mask_neighbours=3")
    assert largest_radius(60, 12, 2) > 2
    assert largest_radius(10**9, 12, 2) == 2, "found without a look at each cell"
    meta_model("haloae", "model.attention.mask_neighbours=3", "model.map_size=stretch60")
    meta_model("haloae", "model.attention.mask_neighbours=3", "model.block_c=residual_cnn")
