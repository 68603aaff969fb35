"""Distance to the nearest of a few training cells: PatchCore (Roth et al. 2022, arXiv 2106.08265).

Its backbone and image score are not used: the features are HaloAE's, and maps are scored like HaloAE's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.baselines.protocol import FeatureBatches
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Advance

NEIGHBOURHOOD = 3
"""Cells per side that a locally aware feature averages (paper, section 3.1)."""
PROJECTED = 128
"""Dimensions in which the coreset is chosen (paper, section 3.2)."""
CELLS_AT_ONCE = 4096
"""Cells per step: with 2,048 members, their distances take 34 MB."""


class NearestCoreset:
    """The members (n, C) of the coreset, which are locally aware features of training cells."""

    name: str = "nearest"

    def __init__(self, members: Tensor) -> None:
        self.members = members
        self._squares = members.square().sum(dim=1)

    @classmethod
    @torch.inference_mode()
    def fit(
        cls, batches: FeatureBatches, advance: Advance, pool: int = 65_536, coreset: int = 2_048, seed: int = 0
    ) -> NearestCoreset:
        """Draw at most ``pool`` cells by ``seed``, and choose ``coreset`` of them (all, if there are no more).

        ``advance`` is called for each chosen member. The pool takes 185 MB at C = 704, and twice that while it is
        drawn. Raises `UsageError` without images, for more images than cells in the pool, and for an empty coreset.
        """
        if coreset < 1:
            raise UsageError(f"A coreset of {coreset} cells was asked for; ask for at least one, such as 2048.")
        generator = torch.Generator().manual_seed(seed)
        cells = draw_cells(batches, pool, generator)
        # a random projection keeps distances (Johnson-Lindenstrauss); it is drawn on the CPU, the same for every device
        projection = torch.randn(cells.shape[1], PROJECTED, generator=generator) / PROJECTED**0.5
        chosen = greedy_coreset(cells @ projection.to(cells), min(coreset, len(cells)), advance)
        return cls(cells[chosen])

    @torch.inference_mode()
    def maps(self, features: Tensor) -> Tensor:
        """Euclidean distance to the nearest member (paper, section 3.3; k = 1): (B, C, m, m) -> (B, m, m)."""
        cells = locally_aware(features).flatten(0, 1)  # (B*m*m, C)
        distances = torch.cat([self._distances(some) for some in torch.split(cells, CELLS_AT_ONCE)])
        return distances.view(len(features), *features.shape[2:])

    def _distances(self, cells: Tensor) -> Tensor:
        """(n, C) -> (n,)."""
        # |member|^2 - 2 cell.member finds the nearest quickly, but is too inexact to use as the distance
        order = torch.addmm(self._squares, cells, self.members.T, alpha=-2)  # (n, members)
        distances: Tensor = torch.linalg.vector_norm(cells - self.members[order.argmin(dim=1)], dim=1)
        return distances


def locally_aware(features: Tensor) -> Tensor:
    """Average cells with their neighbours inside the image: (B, C, m, m) -> (B, m*m, C).

    PatchCore averages each layer on its own grid; here all layers are already on the finest grid.
    """
    averaged = F.avg_pool2d(features, NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2, count_include_pad=False)
    return averaged.flatten(2).transpose(1, 2)  # (B, m*m, C)


def draw_cells(
    batches: FeatureBatches,
    pool: int,
    generator: torch.Generator,
    cells_of: Callable[[Tensor], Tensor] = locally_aware,
) -> Tensor:
    """At most ``pool`` cells (n, C), equally many of each image; ``cells_of``: (B, C, m, m) -> (B, m*m, C).

    The number of images is known only at the end. So the cells of each image are put into random order, and fewer from
    the start of each are kept as more images come.
    """
    drawn: Tensor | None = None  # (images, share, C)
    for features in batches():
        cells = cells_of(features)
        order = torch.stack([torch.randperm(cells.shape[1], generator=generator) for _ in cells])
        images = len(cells) + (0 if drawn is None else len(drawn))
        share = min(cells.shape[1], pool // images)
        if not share:
            raise UsageError(
                f"A pool of {pool} cells is too small for {images} images or more; at least one per image is needed."
            )
        some = cells.take_along_dim(order[:, :share, None].to(cells.device), dim=1)  # (B, share, C)
        drawn = some if drawn is None else torch.cat([drawn[:, :share], some])
    if drawn is None:
        raise UsageError("No training image was given; at least one is needed to draw cells from.")
    return drawn.flatten(0, 1)  # (images * share, C)


def greedy_coreset(points: Tensor, size: int, advance: Advance) -> Tensor:
    """Greedy k-centre choice (paper, algorithm 1): indices (size,) into ``points`` (n, D), in order of choice.

    It starts with the first point, then always adds the one farthest from all chosen before. None is chosen twice.
    """
    points = points.T.contiguous().T  # stored dimension by dimension: takes half the time on the CPU
    squares = points.square().sum(dim=1)
    nearest = torch.full_like(squares, torch.inf)  # squared distance to the nearest chosen point
    chosen = torch.empty(size, dtype=torch.long, device=points.device)
    for step in range(size):
        chosen[step] = latest = nearest.argmax()  # the first one of a tie
        to_latest = torch.addmv(squares, points, points[latest], alpha=-2) + squares[latest]
        nearest = torch.minimum(nearest, to_latest)
        nearest[latest] = -torch.inf
        advance(1)
    return chosen
