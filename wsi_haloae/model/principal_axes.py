"""The principal components of feature vectors (Pearson 1901): what the best linear auto-encoder keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Of n cells: the mean (C,), and directions (C, C) as orthonormal rows, by falling variance (C,); all float64."""

    mean: Tensor
    variances: Tensor
    directions: Tensor

    @classmethod
    @torch.inference_mode()
    def fit(cls, batches: Iterable[Tensor]) -> PrincipalAxes | None:
        """Fit all cells of all batches (B, C, m, m); None without a batch.

        Memory holds sums in float64, C x C numbers for any number of images, and one batch.
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
    """In float64, on the CPU if the device (mps) does not support it."""
    return (cells.cpu() if cells.device.type == "mps" else cells).double()
