"""Average precision of scores against labels: never flipped, and no answer where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from wsi_haloae.evaluation.labelled_scores import require_labelled_scores


def average_precision(scores: NDArray[np.floating], anomalous: NDArray[np.bool_], *, of: str = "tile") -> float:
    """Precision averaged over the recall it is reached at, a step at each distinct score.

    Unlike AUROC it depends on the share of anomalous tiles, which is its value for constant
    scores. ``scores`` and ``anomalous`` are (n,); ``of`` is the word for what has a score in
    messages (tile, image, pixel). Raises `UsageError` when one class is absent or a score is
    not a number.
    """
    require_labelled_scores(scores, anomalous, measure="Average precision", of=of)
    return float(average_precision_score(anomalous, scores))
