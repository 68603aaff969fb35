"""AUROC and average precision of scores against labels; never flipped, and an error if they are undefined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError


def auroc(scores: NDArray[np.floating], anomalous: NDArray[np.bool_], *, of: str = "tile") -> float:
    """Probability that an anomalous tile scores higher than a reference tile (ties count half).

    ``scores`` and ``anomalous`` are (n,); ``of`` is the word for one sample in messages (tile, image, pixel). Raises
    `UsageError` if one class is absent or a score is not a number.
    """
    require_labelled_scores(scores, anomalous, measure="AUROC", of=of)
    from scipy.stats import rankdata  # noqa: PLC0415  # slow to import, and intervals are asked for without it

    ranks, count = rankdata(scores), int(anomalous.sum())
    higher = ranks[anomalous].sum() - count * (count + 1) / 2  # pairs: Mann and Whitney's U
    return float(higher / (count * (len(scores) - count)))


def average_precision(scores: NDArray[np.floating], anomalous: NDArray[np.bool_], *, of: str = "tile") -> float:
    """Precision averaged over the recall levels at which it is reached, with one step at each distinct score.

    Unlike AUROC it depends on the share of anomalous tiles, which is its value for constant scores. ``scores`` and
    ``anomalous`` are (n,); ``of`` is the word for one sample in messages (tile, image, pixel). Raises `UsageError` if
    one class is absent or a score is not a number.
    """
    require_labelled_scores(scores, anomalous, measure="Average precision", of=of)
    from sklearn.metrics import average_precision_score  # noqa: PLC0415  # slow to import: it loads pandas

    return float(average_precision_score(anomalous, scores))


def require_labelled_scores(
    scores: NDArray[np.floating], anomalous: NDArray[np.bool_], *, measure: str, of: str
) -> None:
    """Refuse labels of one class, scores that are not numbers, and shapes that differ.

    ``scores`` and ``anomalous`` must have the same shape. ``measure`` and ``of`` (one sample: tile, image, pixel) are
    words for the message. Raises `UsageError`.
    """
    if scores.shape != anomalous.shape:
        raise UsageError(
            f"{measure} needs one label for each {of}; scores are {scores.shape} and labels {anomalous.shape}."
        )
    counts = int(anomalous.sum()), int((~anomalous).sum())
    if not all(counts):
        raise UsageError(
            f"{measure} needs both classes; there are {counts[0]} anomalous and {counts[1]} reference {of}s."
        )
    if not np.isfinite(scores).all():
        raise UsageError(f"{measure} needs a finite score for each {of}; leave unreadable {of}s out.")
