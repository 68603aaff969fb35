"""The covariance of what held-out reference tiles leave unexplained, and residuals measured by it.

The squared residual counts all channels alike. Some are never rebuilt well, and many vary together, so it is mostly
made of what is unexplained in every tile. r' S^-1 r / C, with S the mean of r r' over the cells of held-out tiles, asks
instead how unusual a residual is: its mean is 1 over cells like those that taught S.

S is taken about 0 and not about the mean: a reconstruction without any residual is the least anomalous. Ledoit and
Wolf's (2004) shrinkage towards a multiple of the identity needs independent samples, and the cells of a tile are not:
here a sample is a tile with its mean of r r', which shrinks more where the tiles are few or differ.

If images show aligned objects, their mean residual in each place can be known (`PlaceMeans`) and is taken off first;
the covariance of what remains is pooled over places, because one of 704 x 704 for each of 64 x 64 places would be 8 GB,
from a few dozen images. The means are shrunk towards 0 as far as they are noise (James and Stein 1961, by channel): for
objects that lie differently in every image nothing is left of them, and pooled is what remains.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.errors import CheckpointError
from wsi_haloae.model.gaussian import Gaussian

RIDGE = 1e-6
"""Least share of the mean variance that is added to each channel: some may always be rebuilt exactly."""


class SecondMoment:
    """Adds up r r' of tiles, one at a time, on the CPU: memory does not grow with their number."""

    def __init__(self) -> None:
        self.tiles, self._total, self._squares = 0, torch.zeros(0), 0.0

    def add(self, residual: Tensor, cells: Tensor) -> None:
        """One tile: its residual (C, m, m) in the ``cells`` (m, m) that count, at least one."""
        vectors = residual[:, cells]  # (C, cells)
        own = (vectors @ vectors.T / vectors.shape[1]).cpu().double()
        self._total = own if self.tiles == 0 else self._total + own
        self._squares += float(own.square().sum())
        self.tiles += 1

    def shrunk(self) -> Tensor:
        """The covariance about 0, shrunk: (C, C)."""
        mean = self._total / self.tiles
        target = mean.trace() / len(mean) * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        apart = (mean - target).square().sum()
        noise = max(0.0, self._squares - self.tiles * float(mean.square().sum())) / self.tiles**2
        share = min(1.0, noise / float(apart)) if apart > 0 else 1.0
        share = max(share, RIDGE) if self.tiles > 1 else 1.0
        return share * target + (1 - share) * mean


class PlaceMeans:
    """Adds up residuals (C, m, m) of aligned images, and says how much of their mean is more than noise."""

    def __init__(self) -> None:
        self.images, self._sum, self._squares = 0, torch.zeros(0), torch.zeros(0)

    def add(self, residual: Tensor) -> None:
        """One image."""
        own = residual.cpu().double()
        first = self.images == 0
        self._sum = own if first else self._sum + own
        self._squares = own.square() if first else self._squares + own.square()
        self.images += 1

    def shrunk(self) -> Tensor:
        """The mean in each place, shrunk towards 0 channel by channel: (C, m, m), float32."""
        mean = self._sum / self.images
        if self.images < 2:
            return torch.zeros_like(mean).float()
        spread = (self._squares - self.images * mean.square()).clamp_min(0) / (self.images - 1)
        found, noise = mean.square().mean(dim=(1, 2)), spread.mean(dim=(1, 2)) / self.images
        share = torch.where(found > 0, (1 - noise / found).clamp_min(0), 0)
        return (share[:, None, None] * mean).float()


def precision_root(gaussian: Gaussian, channels: int) -> Tensor:
    """The Cholesky factor L' (C, C), for which |L' r|^2 = r' S^-1 r.

    Raises `CheckpointError` for statistics that are no inverse covariance.
    """
    precision = gaussian.precision.double()
    if precision.shape == (channels, channels):
        root, failed = torch.linalg.cholesky_ex(precision)
        if not failed:
            transposed: Tensor = root.T.to(gaussian.precision.dtype).contiguous()
            return transposed
    raise CheckpointError(
        f"the statistics of scoring rule 'whitened' are not the inverse covariance of {channels} channels. The file is "
        "damaged: copy it again from its source, or train again."
    )


def whitened_map(residual: Tensor, root: Tensor) -> Tensor:
    """The measure r' S^-1 r / C of each cell, as a 1 x 1 convolution: (B, C, m, m) -> (B, m, m)."""
    return F.conv2d(residual, root[:, :, None, None]).square().mean(dim=1)
