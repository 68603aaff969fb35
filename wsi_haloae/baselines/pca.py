"""The linear auto-encoder: the part of a cell outside the principal components of all training cells.

HaloAE reconstructs the same features with a network. Compared with the residual of the best linear reconstruction of
the same width (Pearson 1901), its residual shows what the network adds.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wsi_haloae.baselines.protocol import FeatureBatches
from wsi_haloae.errors import UsageError
from wsi_haloae.model.anomaly_map import residual_map
from wsi_haloae.model.principal_axes import PrincipalAxes


class PcaReconstruction:
    """Mean (C,) and orthonormal directions (k, C) of the training cells, in the precision of the features."""

    name: str = "pca"

    def __init__(self, mean: Tensor, directions: Tensor) -> None:
        self.mean, self.directions = mean, directions

    @classmethod
    @torch.inference_mode()
    def fit(cls, batches: FeatureBatches, components: int) -> PcaReconstruction:
        """The ``components`` directions of largest variance, over all cells of all training images.

        Raises `UsageError` without images, and if the number of components leaves no residual or is zero.
        """
        like = torch.empty(0)

        def checked() -> Iterator[Tensor]:
            nonlocal like
            for features in batches():
                _check_components(components, features.shape[1])
                like = features
                yield features

        axes = PrincipalAxes.fit(checked())
        if axes is None:
            raise UsageError("No training image was given; PCA needs at least one.")
        return cls(axes.mean.to(like), axes.directions[:components].to(like).contiguous())

    @torch.inference_mode()
    def maps(self, features: Tensor) -> Tensor:
        """Mean over channels of the squared residual, (B, C, m, m) -> (B, m, m), as HaloAE's."""
        return residual_map(features, self._reconstruct(features))

    def _reconstruct(self, features: Tensor) -> Tensor:
        mean = self.mean[:, None]
        cells = features.flatten(2)  # (B, C, m*m)
        projected = self.directions @ (cells - mean)  # (B, k, m*m)
        return (mean + self.directions.T @ projected).view_as(features)


def _check_components(components: int, channels: int) -> None:
    if not 0 < components < channels:
        raise UsageError(
            f"{components} principal components were asked for; with {channels} channels, 1 to {channels - 1} are "
            f"possible ({channels} would leave no residual). Ask for such a number, for example 32."
        )
