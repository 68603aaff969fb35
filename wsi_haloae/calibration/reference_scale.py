"""Which scores are usual: read from the scores of held-out reference tiles, because no rule has a fixed usual score.

A distance is 1 on average over the tiles that it was fitted to only if their covariance is known exactly. It is shrunk
where tiles are few, and the reference may lie in few of its dimensions: the demo's tiles have a median of about 0.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RARE = 0.95


def usual_scores(reference: NDArray[np.float32], seen: str = "") -> str:
    """A sentence on the scores (k,) of reference tiles, for people; empty if there are none.

    ``seen`` says from where: "adapted as this slide is". One model has other scores with each adaptation.
    """
    if not len(reference):
        return ""
    middle, rare = np.quantile(reference, (0.5, RARE))
    return (
        f"Half of the held-out reference tiles{seen and f', {seen},'} score below {middle:.3g}, and "
        f"{100 * RARE:g}\N{NO-BREAK SPACE}% below {rare:.3g}."
    )
