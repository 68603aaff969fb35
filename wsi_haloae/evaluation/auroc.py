"""AUROC of scores against labels: never flipped, and no answer where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from wsi_haloae.errors import UsageError


def auroc(scores: NDArray[np.floating], anomalous: NDArray[np.bool_]) -> float:
    """Probability that an anomalous tile scores higher than a reference tile (ties count half).

    ``scores`` and ``anomalous`` are (n,). Raises `UsageError` when one class is absent or a
    score is not a number.
    """
    counts = int(anomalous.sum()), int((~anomalous).sum())
    if not all(counts):
        raise UsageError(f"AUROC needs both classes; there are {counts[0]} anomalous and {counts[1]} reference tiles.")
    if not np.isfinite(scores).all():
        raise UsageError("AUROC needs a finite score for each tile; leave unreadable tiles out.")
    return float(roc_auc_score(anomalous, scores))
