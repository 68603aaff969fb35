"""AUROC of scores against labels: never flipped, and no answer where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from wsi_haloae.evaluation.labelled_scores import require_labelled_scores


def auroc(scores: NDArray[np.floating], anomalous: NDArray[np.bool_], *, of: str = "tile") -> float:
    """Probability that an anomalous tile scores higher than a reference tile (ties count half).

    ``scores`` and ``anomalous`` are (n,); ``of`` is the word for what has a score in messages
    (tile, image, pixel). Raises `UsageError` when one class is absent or a score is not a number.
    """
    require_labelled_scores(scores, anomalous, measure="AUROC", of=of)
    ranks, count = rankdata(scores), int(anomalous.sum())
    higher = ranks[anomalous].sum() - count * (count + 1) / 2  # pairs: Mann and Whitney's U
    return float(higher / (count * (len(scores) - count)))
