"""Layers compared apart: in each cell, the residual of the layer in which it is most unusual.

Layers are rebuilt unequally well, so their mean is nearly that of the worst. Standardised by the residuals of held-out
cells they count alike. The largest is taken and not the mean, which would only be another weighting of the same sum:
an anomaly of one scale, like a scratch that only shallow layers see, would be divided by the number of layers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.scoring.measured import Measured
from wsi_haloae.scoring.pooling import counted


def largest(tiles: Measured) -> Tensor:
    """The largest of the layers' standardised residuals in each cell: (B, m, m); 0 where a cell does not count."""
    usual = tiles.reference.learned["layers_apart"]
    mean, per_deviation = (part[:, None, None] for part in (usual.mean, usual.precision.diagonal().sqrt()))
    apart = (tiles.found.layers - mean) * per_deviation  # (B, layers, m, m)
    return apart.amax(dim=1).masked_fill(~counted(tiles.cells), 0)


class ScaleLearner:
    """Learns mean and deviation of each layer's residual over the cells of reference tiles."""

    def __init__(self) -> None:
        self._cells = 0
        self._sum = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, tiles: Measured, count: int) -> None:
        """The first ``count`` tiles of a batch."""
        layers = tiles.found.layers[:count].transpose(0, 1)  # (layers, b, m, m)
        values = layers[:, counted(tiles.cells)[:count]].cpu().double()  # (layers, cells)
        self._cells += values.shape[1]
        self._sum = self._sum + values.sum(dim=1)
        self._squares = self._squares + values.square().sum(dim=1)

    def learned(self) -> Gaussian:
        """Mean and inverse variance by layer; `UsageError` if a layer is equally well rebuilt in all cells."""
        mean = self._sum / self._cells
        variance = self._squares / self._cells - mean.square()
        if not float(variance.min()) > 0:
            raise UsageError(
                "a feature layer is rebuilt equally well in all cells of the held-out tiles, so scoring.rule "
                "layers_apart cannot learn how much it varies; train block C, or use another rule."
            )
        return Gaussian(mean.float(), torch.diag(1 / variance).float())
