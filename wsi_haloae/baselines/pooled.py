"""Baselines on the mean of a tile's features over tissue: what plain statistics of block B achieve."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from wsi_haloae.errors import UsageError
from wsi_haloae.model.gaussian import Gaussian


class PooledBaseline(Protocol):
    """A fitted detector of whole tiles; higher scores are less like the training tiles."""

    name: str

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n,) of tiles by their mean features (n, C)."""
        ...


class PooledMahalanobis:
    """Distance from the Gaussian of training tiles, with Ledoit and Wolf's shrunk covariance (2004)."""

    name: str = "pooled Mahalanobis"

    def __init__(self, gaussian: Gaussian) -> None:
        self._gaussian = gaussian

    @classmethod
    def fit(cls, vectors: NDArray[np.floating]) -> PooledMahalanobis:
        """Fit the vectors (n, d) of training tiles; `UsageError` for fewer than two."""
        if len(vectors) < 2:
            raise UsageError(f"training tiles given: {len(vectors)}; a covariance needs at least two.")
        model = LedoitWolf().fit(vectors.astype(np.float64))
        mean, precision = (torch.from_numpy(np.asarray(part)) for part in (model.location_, model.precision_))
        return cls(Gaussian(mean, precision))

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Squared distance per dimension of vectors (n, d): (n,)."""
        return self._gaussian.distance(torch.from_numpy(vectors.astype(np.float64))).numpy()


class PooledNearest:
    """Mean Euclidean distance to the ``neighbours`` nearest training tiles."""

    def __init__(self, vectors: NDArray[np.floating], neighbours: int) -> None:
        if len(vectors) < neighbours:
            raise UsageError(f"training tiles given: {len(vectors)}; kNN-{neighbours} needs {neighbours}.")
        self.name = f"pooled kNN-{neighbours}"
        self._search = NearestNeighbors(n_neighbors=neighbours).fit(vectors)

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n,) of vectors (n, d)."""
        distances, _ = self._search.kneighbors(vectors)
        return np.asarray(distances.mean(axis=1), np.float64)
