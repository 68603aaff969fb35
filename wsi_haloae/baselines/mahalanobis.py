"""One Gaussian per location of the feature map: PaDiM (Defard et al. 2021, arXiv 2011.08785).

It depends on the location, so it is for images that are aligned with one another. On tiles cut anywhere all locations
are alike, and each learns the same from fewer cells.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.baselines.protocol import FeatureBatches
from wsi_haloae.errors import UsageError

REGULARISATION = 0.01
"""Added to each variance, so that fewer images than channels are enough (paper, equation 1)."""


class LocationMahalanobis:
    """The drawn channels (d,), and per location (L = m*m) the mean (L, d) and Cholesky factor (L, d, d).

    The factors in float32 take 164 MB at m = 64 and d = 100; fitting takes twice that at its end.
    """

    name: str = "mahalanobis"

    def __init__(self, channels: Tensor, mean: Tensor, factor: Tensor) -> None:
        self.channels, self.mean, self.factor = channels, mean, factor

    @classmethod
    @torch.inference_mode()
    def fit(cls, batches: FeatureBatches, dimensions: int = 100, seed: int = 0) -> LocationMahalanobis:
        """Mean and covariance of ``dimensions`` channels, drawn by ``seed`` (all channels, if there are no more).

        Raises `UsageError` for fewer than two images, which have no covariance, or for no channel.
        """
        if dimensions < 1:
            raise UsageError(f"{dimensions} channels were asked for; ask for at least one, such as 100.")
        moments: _Moments | None = None
        for features in batches():
            channels = _draw_channels(features, dimensions, seed)
            cells = _locations(features, channels)
            moments = moments or _Moments(cells)
            moments.add(cells)
        if moments is None or moments.images < 2:
            raise UsageError("Fewer than two training images were given; a covariance needs at least two.")
        mean, covariance = moments.mean_and_covariance()
        covariance.diagonal(dim1=1, dim2=2).add_(REGULARISATION)
        return cls(channels, mean, torch.linalg.cholesky(covariance))

    @torch.inference_mode()
    def maps(self, features: Tensor) -> Tensor:
        """Mahalanobis distance from the location's mean (paper, equation 2): (B, C, m, m) -> (B, m, m)."""
        away = _locations(features, self.channels) - self.mean[:, None]  # (L, B, d)
        # with covariance = F F', the distance is the length of the z that solves F z = away
        whitened = torch.linalg.solve_triangular(self.factor, away.transpose(1, 2), upper=False)  # (L, d, B)
        distances: Tensor = torch.linalg.vector_norm(whitened, dim=1)  # (L, B)
        return distances.T.reshape(len(features), *features.shape[2:])  # (B, m, m)


class _Moments:
    """Sums per location, of deviations from the first batch's mean.

    If the values are far from zero, the difference of two large sums in float32 loses the digits of the covariance.
    """

    def __init__(self, first: Tensor) -> None:
        locations, _, dimensions = first.shape
        self.images = 0
        self._origin = first.mean(dim=1, keepdim=True)  # (L, 1, d)
        self._total = first.new_zeros(locations, dimensions)
        self._products = first.new_zeros(locations, dimensions, dimensions)

    def add(self, cells: Tensor) -> None:
        """Add another batch, (L, B, d)."""
        away = cells - self._origin
        self.images += cells.shape[1]
        self._total += away.sum(dim=1)
        self._products.baddbmm_(away.transpose(1, 2), away)

    def mean_and_covariance(self) -> tuple[Tensor, Tensor]:
        """(L, d) and the sample covariance (L, d, d); the sums are overwritten to save memory."""
        shift = self._total / self.images
        self._products.baddbmm_(self._total[:, :, None], shift[:, None], alpha=-1)
        return self._origin[:, 0] + shift, self._products.div_(self.images - 1)


def _draw_channels(features: Tensor, dimensions: int, seed: int) -> Tensor:
    """Draw channels on the CPU, so that they are the same for every device."""
    order = torch.randperm(features.shape[1], generator=torch.Generator().manual_seed(seed))
    return order[:dimensions].sort().values.to(features.device)


def _locations(features: Tensor, channels: Tensor) -> Tensor:
    """(B, C, m, m) -> (L, B, d)."""
    return features.index_select(1, channels).flatten(2).permute(2, 0, 1)
