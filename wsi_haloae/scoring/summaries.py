"""What a model makes of a tile in a few numbers, and their distribution over reference tiles.

A mean over cells and layers loses what matters most: simple tissue and glass are reconstructed
*better* than the reference, so one layer's residual falls while another's rises. A distance from the
joint distribution of the layers' residuals sees both (specification, section 6).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf, MinCovDet
from torch import Tensor

from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.residuals import Residuals
from wsi_haloae.scoring.pooling import mean_over

FLOOR = 1e-6
"""Below any residual that float32 resolves: keeps the logarithm finite where the reconstruction is perfect."""
ROBUST_FROM = 10
"""Tiles per number from which the robust estimate is stable; with fewer, a shrunk covariance stands in."""


def layer_residuals(found: Residuals, tissue: Tensor) -> Tensor:
    """Mean squared residual of each layer over tissue cells: (B, layers)."""
    return torch.stack([mean_over(layer, tissue) for layer in found.layers.unbind(dim=1)], dim=1)


def layer_dissimilarities(found: Residuals, tissue: Tensor) -> Tensor:
    """Mean 1 - SSIM of each layer over tissue cells: (B, layers)."""
    assert found.layer_dissimilarities is not None, "computed wherever tiles are scored"
    return torch.stack([mean_over(layer, tissue) for layer in found.layer_dissimilarities.unbind(dim=1)], dim=1)


def _layers(found: Residuals, tissue: Tensor) -> Tensor:
    return layer_residuals(found, tissue).clamp_min(FLOOR).log()


def _layers_ssim(found: Residuals, tissue: Tensor) -> Tensor:
    both = (layer_residuals(found, tissue), layer_dissimilarities(found, tissue))
    return torch.cat(both, dim=1).clamp_min(FLOOR).log()


SUMMARIES: Mapping[str, Callable[[Residuals, Tensor], Tensor]] = {"layers": _layers, "layers_ssim": _layers_ssim}
"""By the name that ``scoring.pooling`` has for them: residuals and tissue cells of a batch -> (B, d)."""


def fit_gaussian(vectors: NDArray[np.floating]) -> Gaussian:
    """Of reference tiles' summaries (n, d): the minimum covariance determinant (Rousseeuw and Van Driessen 1999).

    A share of bad tiles among the reference moves it little. With fewer than 10 tiles per number it would
    be singular or unstable: Ledoit and Wolf's shrunk covariance (2004) takes its place. `UsageError` for
    fewer than 2 tiles, or when they are all alike.
    """
    tiles, numbers = vectors.shape
    if tiles < 2 or not vectors.std(axis=0).max() > 0:
        raise UsageError(
            f"{tiles} held-out (select) tiles were given, and at least two different ones are needed to learn how "
            "summaries of reference tiles vary; give more groups or images."
        )
    with warnings.catch_warnings():
        # Tiles in a plane of fewer dimensions: scikit-learn warns, then returns the pseudo-inverse.
        warnings.filterwarnings("ignore", "The covariance matrix associated to your dataset is not full rank")
        model = MinCovDet(random_state=0) if tiles >= ROBUST_FROM * numbers else LedoitWolf()
        model.fit(vectors.astype(np.float64))
    mean, precision = (torch.from_numpy(np.asarray(part, np.float32)) for part in (model.location_, model.precision_))
    return Gaussian(mean, precision)
