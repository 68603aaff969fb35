"""The layers of block C's variants: against their papers, and what one cell of each can reach."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.model.tiny import TILE, meta_model
from tests.model.variants import PIXEL_SETTINGS, count, features_of, model, moved_cells
from wsi_haloae.model.swin import heads_for


def test_dfrs_auto_encoder_has_the_parameters_of_its_layers() -> None:
    net = meta_model("haloae", "model.block_c=dfr_cnn")
    down = (704 * 381 + 381) + 2 * 381 + (381 * 58 + 58) + 2 * 58 + (58 * 29 + 29)
    up = (29 * 58 + 58) + 2 * 58 + (58 * 381 + 381) + 2 * 381 + (381 * 704 + 704)
    assert (count(net.encoder), count(net.decoder)) == (down, up) == (293_350, 294_025)


def test_dfrs_auto_encoder_codes_every_cell_by_itself() -> None:
    moved = moved_cells(model("dfr_cnn").eval(), 4, 7)
    assert moved.nonzero().tolist() == [[4, 7]]


def test_dfrs_code_and_reconstruction_are_linear_at_their_ends() -> None:
    net = model("dfr_cnn")
    code = net.encoder(features_of(net))
    assert bool((code < 0).any())
    assert bool((net.decoder(code) < 0).any())


def test_swins_auto_encoder_has_about_the_papers_eighteen_million_parameters() -> None:
    net = meta_model("haloae", "model.block_c=swin")
    assert 17_000_000 < count(net.encoder, net.decoder) < 19_000_000


def test_swins_windows_are_joined_by_every_other_block() -> None:
    """Cell (2, 7) lies in the window of rows 0 to 4 and columns 5 to 9; the next block's begin at 2, 7 and 12."""
    net = model("swin", 80, swin={"widths": [], "depth": 2, "window": 5, "dim_head": 4})
    for parameter in net.encoder.parameters():
        nn.init.normal_(parameter, std=0.5)  # or what passes through two attentions is lost in rounding
    features = features_of(net, 1)
    changed = features.clone()
    changed[..., 2, 7] += 5
    with torch.no_grad():
        moved = (net.encoder(changed) - net.encoder(features)).abs().amax(dim=1)[0] > 1e-6
    expected = torch.zeros(20, 20, dtype=torch.bool)
    expected[:7, 2:12] = True
    assert torch.equal(moved, expected)


def test_swin_drops_nothing_while_it_is_trained() -> None:
    net = model("swin")
    features = features_of(net)
    with torch.no_grad():
        assert torch.equal(net.train().reconstruct(features), net.eval().reconstruct(features))


@pytest.mark.parametrize(
    ("width", "dim_head", "heads"), [(512, 16, 32), (29, 16, 1), (58, 16, 2), (32, 16, 2), (8, 16, 1), (96, 32, 3)]
)
def test_heads_divide_their_stage_and_are_not_narrower_than_asked(width: int, dim_head: int, heads: int) -> None:
    assert heads_for(width, dim_head) == heads


TABLE_1 = [  # Bergmann et al. 2018: channels in, out, kernel, side of the output
    (3, 32, 4, 64),
    (32, 32, 4, 32),
    (32, 32, 3, 32),
    (32, 64, 4, 16),
    (64, 64, 3, 16),
    (64, 128, 4, 8),
    (128, 64, 3, 8),
    (64, 32, 3, 8),
    (32, 100, 8, 1),
]


def convolution_outputs(part: nn.Module, x: Tensor) -> tuple[list[list[int]], Tensor]:
    """Shapes that the convolutions give, in their order, and the result."""
    shapes: list[list[int]] = []
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda _module, _inputs, output: shapes.append(list(output.shape)))
    return shapes, part(x)


def test_bergmanns_auto_encoder_has_the_layers_of_the_published_table() -> None:
    net = meta_model("haloae", "model.block_c=bergmann", *PIXEL_SETTINGS, tile_size=128)
    down, code = convolution_outputs(net.encoder, torch.empty(1, 48, 32, 32, device="meta"))
    up, features = convolution_outputs(net.decoder, code)
    assert down == [[1, out, side, side] for _, out, _, side in TABLE_1]
    assert up == [*down[-2::-1], [1, 3, 128, 128]]
    assert features.shape == (1, 48, 32, 32)
    assert count(net.encoder) == sum(kernel**2 * i * out + out for i, out, kernel, _ in TABLE_1)
    assert count(net.decoder) == sum(kernel**2 * i * out + i for i, out, kernel, _ in TABLE_1)


def test_bergmanns_convolutions_see_the_image_and_not_the_cells() -> None:
    """The first one is 4x4 with stride 2 on pixels, slope 0.2 follows, and both ends are linear."""
    net = model("bergmann").eval()
    images = torch.randn(1, 3, TILE, TILE)
    with torch.no_grad():
        first = net.encoder[:2](net.features(images))
        torch.testing.assert_close(first, net.encoder[1](images))
        found = net.encoder[2](first)
        code = net.encoder(net.features(images))
        assert bool((code < 0).any())
        assert bool((net.decoder(code) < -0.3).any())
    torch.testing.assert_close(found, torch.where(first > 0, first, 0.2 * first))


def test_bergmanns_code_belongs_to_the_whole_image() -> None:
    net = model("bergmann").eval()
    assert net.encoder(features_of(net)).shape == (2, 100, 1, 1)
    assert bool(moved_cells(net, 3, 8).all())
