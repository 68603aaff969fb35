"""TileScores: what is computed of tiles, and kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TileScores:
    """Results of n tiles, as the scorer computes them and the store keeps them."""

    score: NDArray[np.float32]  # (n,)
    score_paper: NDArray[np.float32]  # (n,)
    p_value: NDArray[np.float32]  # (n,)
    rules: NDArray[np.float32]  # (n, rules)
    layer_residuals: NDArray[np.float32]  # (n, layers)
    layer_dissimilarities: NDArray[np.float32]  # (n, layers)
    artefacts: NDArray[np.float32]  # (n, flags)
    flags: NDArray[np.uint8]  # (n,)
    tissue_cells: NDArray[np.int32]  # (n,)
    anomaly_map: NDArray[np.float32] | None  # (n, m, m)
    descriptor: NDArray[np.float16] | None = None  # (n, k)

    @classmethod
    def joined(cls, parts: Sequence[TileScores]) -> TileScores:
        """Concatenate results; ``parts`` must not be empty."""
        whole: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            whole[field.name] = None if values[0] is None else np.concatenate(values)
        return cls(**whole)
