"""The main directions of feature vectors (Pearson 1901): what the best linear auto-encoder keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Of n cells: their mean (C,), and directions (C, C), orthonormal rows, by falling variance (C,); all float64."""

    mean: Tensor
    variances: Tensor
    directions: Tensor

    @classmethod
    @torch.inference_mode()
    def fit(cls, batches: Iterable[Tensor]) -> PrincipalAxes | None:
        """Over all cells of all batches (B, C, m, m), or None without one.

        Sums are kept in float64, C x C of them however many images there are, and one batch beside them.
        """
        count = 0
        total, products = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for features in batches:
            cells = _precise(features.transpose(0, 1).flatten(1))  # (C, cells)
            count += cells.shape[1]
            total = total + cells.sum(dim=1)
            products = products + cells @ cells.T
        if not count:
            return None
        mean = total / count
        variances, columns = torch.linalg.eigh(products / count - torch.outer(mean, mean))  # smallest first
        return cls(mean, variances.flip(0).clamp_min(0), columns.T.flip(0))


def _precise(cells: Tensor) -> Tensor:
    """In float64, on the CPU where the device (mps) has none."""
    return (cells.cpu() if cells.device.type == "mps" else cells).double()
