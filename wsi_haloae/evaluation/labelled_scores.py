"""What every measure of scores against labels needs, refused in the same words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError


def require_labelled_scores(
    scores: NDArray[np.floating], anomalous: NDArray[np.bool_], *, measure: str, of: str
) -> None:
    """Refuse labels of one class, scores that are no numbers, and shapes that differ.

    ``scores`` and ``anomalous`` have the same shape, whichever it is. ``measure`` and ``of``
    (what has a score: tile, image, pixel) are words for the message. Raises `UsageError`.
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
