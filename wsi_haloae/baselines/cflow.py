"""How likely each cell is, layer by layer: CFlow-AD (Gudovskiy et al. 2022, arXiv 2107.12571).

A conditional normalizing flow for each layer turns its training cells into standard normal noise; the condition is a
code of the cell's position. The flow gives the exact density of any cell.

As in the authors' code: 8 coupling blocks with soft clamping at 1.9 and rotations between them, a code of 128 numbers,
Adam at 2e-4, batches of 256 cells. Not as in their code: the features are HaloAE's, whose layers lie on one grid before
the flow; each cell of a drawn pool is seen `PASSES` times; and densities are measured against the likeliest cell of the
training images, not of the test images.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsi_haloae.baselines.nearest import draw_cells
from wsi_haloae.baselines.protocol import FeatureBatches
from wsi_haloae.errors import UsageError
from wsi_haloae.features.vgg import split_layers
from wsi_haloae.progress import Advance

BLOCKS = 8
CLAMP = 1.9
"""Bound of the logarithm of a coupling's scale."""
MOST_ROTATED = 512
"""Up to this many channels, blocks rotate them. Beyond it, a rotation takes very long to draw: they are permuted."""
CODE = 128
"""Numbers in the code of a position."""
LEARNING_RATE = 2e-4
CELLS_PER_STEP = 256
POOL = 32_768
"""Most cells to train on."""
PASSES = 4
"""How often each cell of the pool is seen: 512 steps for a full one, 95 seconds of a core with VGG19's channels."""
CELLS_AT_ONCE = 4096


class CFlow:
    """One flow per layer, and the highest log-likelihood per channel of a training cell by each of them."""

    name: str = "cflow"

    def __init__(self, flows: Sequence[LayerFlow], highest: Sequence[float], *, positions: bool) -> None:
        self.flows, self.highest, self.positions = flows, highest, positions

    @classmethod
    def fit(
        cls,
        batches: FeatureBatches,
        layer_channels: tuple[int, ...],
        advance: Advance,
        *,
        positions: bool,
        pool: int = POOL,
        passes: int = PASSES,
        seed: int = 0,
    ) -> CFlow:
        """Draw at most ``pool`` cells by ``seed``, and train on each of them ``passes`` times; nothing stops it early.

        Without ``positions`` a flow has no condition, which is the same as a constant one: for tiles cut anywhere, in
        which no place is special. ``advance`` is called for each pass. The pool takes 109 MB at C = 704. Raises
        `UsageError` without images, for more images than cells in the pool, and if FrEIA is not installed.
        """
        require_freia()
        generator = torch.Generator().manual_seed(seed)
        cells = draw_cells(batches, pool, generator, lambda features: _coded(features, positions=positions))
        with _drawn_by(seed):
            flows = [LayerFlow(channels, CODE if positions else 0).to(cells) for channels in layer_channels]
        _train(flows, cells, passes, generator, advance)
        highest = [float(one.max()) for one in _likelihoods(flows, cells)]
        return cls(flows, highest, positions=positions)

    @torch.inference_mode()
    def maps(self, features: Tensor) -> Tensor:
        """One minus a cell's probability, mean over layers, 0 to 1: (B, C, m, m) -> (B, m, m).

        As in the paper (section 4.3), a layer's probability is the density per channel, relative to the highest.
        """
        cells = _coded(features, positions=self.positions).flatten(0, 1)
        likelihoods = _likelihoods(self.flows, cells)
        relative = [one - highest for one, highest in zip(likelihoods, self.highest, strict=True)]
        probability = torch.stack(relative).clamp(max=0).exp().mean(dim=0)  # (B*m*m,)
        return (1 - probability).view(len(features), *features.shape[2:])


class LayerFlow(nn.Module):
    """Cells (n, c) of a layer and their codes (n, ``code``) -> log-likelihoods (n,); ``code`` may be 0."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        block = require_freia().AllInOneBlock
        condition = {"dims_c": [(code,)]} if code else {}
        self.channels = channels
        self.blocks = nn.ModuleList(
            block(
                [(channels,)],
                **condition,
                subnet_constructor=_subnet,
                affine_clamping=CLAMP,
                permute_soft=channels <= MOST_ROTATED,
            )
            for _ in range(BLOCKS)
        )

    def forward(self, cells: Tensor, code: Tensor) -> Tensor:
        """By the change of variables: log p(x) = log N(z; 0, 1) + log |det dz/dx|."""
        condition = [code] if code.shape[1] else []
        log_determinant = cells.new_zeros(len(cells))
        for block in self.blocks:
            (cells,), added = block((cells,), condition)
            log_determinant = log_determinant + added
        return log_determinant - 0.5 * (cells.square() + math.log(2 * math.pi)).sum(dim=1)


def position_code(height: int, width: int) -> Tensor:
    """Sines and cosines of each cell's column and row (paper, section 4.2): (height * width, `CODE`)."""
    half = CODE // 2
    rates = torch.exp(torch.arange(0, half, 2) * (-math.log(10_000) / half))  # (half / 2,)
    codes = []
    for count in (width, height):
        angles = torch.arange(count)[:, None] * rates
        codes.append(torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1))  # (count, half)
    of_columns, of_rows = codes
    both = torch.cat([of_columns.expand(height, -1, -1), of_rows[:, None].expand(-1, width, -1)], dim=2)
    return both.flatten(0, 1)


def require_freia() -> Any:
    """FrEIA's modules; `UsageError` that names the extra if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its docstrings, when Python first compiles them
            return importlib.import_module("FrEIA.modules")
    except ModuleNotFoundError:
        raise UsageError(
            "CFlow-AD needs the package FrEIA, which is not installed: pip install 'wsi-haloae[flow]'."
        ) from None


def _subnet(given: int, wanted: int) -> nn.Module:
    return nn.Sequential(nn.Linear(given, 2 * given), nn.ReLU(), nn.Linear(2 * given, wanted))


@contextmanager
def _drawn_by(seed: int) -> Iterator[None]:
    """Within it, ``seed`` decides what is drawn: FrEIA draws from the global generators, which are put back."""
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def _coded(features: Tensor, *, positions: bool) -> Tensor:
    """Cells with their codes behind them: (B, C, m, m) -> (B, m*m, C + `CODE`), or (B, m*m, C) without positions."""
    cells = features.flatten(2).transpose(1, 2)
    if not positions:
        return cells
    code = position_code(*features.shape[2:]).to(features)
    return torch.cat([cells, code.expand(len(cells), -1, -1)], dim=2)


def _layers(flows: Sequence[LayerFlow], cells: Tensor) -> tuple[list[Tensor], Tensor]:
    """Cells with their codes (n, C + code) -> the cells by layer, and the codes (n, code)."""
    channels = tuple(flow.channels for flow in flows)
    return split_layers(cells, channels), cells[:, sum(channels) :]


def _train(
    flows: Sequence[LayerFlow], cells: Tensor, passes: int, generator: torch.Generator, advance: Advance
) -> None:
    optimiser = torch.optim.Adam([weight for flow in flows for weight in flow.parameters()], LEARNING_RATE, fused=True)
    for _ in range(passes):
        order = torch.randperm(len(cells), generator=generator).to(cells.device)
        for chosen in torch.split(order, CELLS_PER_STEP):
            layers, code = _layers(flows, cells[chosen])
            # the paper's loss (its code's, too): cells that are likely already count little
            losses = [
                -F.logsigmoid(flow(layer, code) / flow.channels).mean()
                for flow, layer in zip(flows, layers, strict=True)
            ]
            optimiser.zero_grad()
            loss = torch.stack(losses).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        advance(1)


@torch.inference_mode()
def _likelihoods(flows: Sequence[LayerFlow], cells: Tensor) -> list[Tensor]:
    """Log-likelihood per channel of cells with their codes, (n, C + code): (n,) for each layer."""
    parts: list[list[Tensor]] = [[] for _ in flows]
    for some in torch.split(cells, CELLS_AT_ONCE):
        layers, code = _layers(flows, some)
        for part, flow, layer in zip(parts, flows, layers, strict=True):
            part.append(flow(layer, code) / flow.channels)
    return [torch.cat(part) for part in parts]
