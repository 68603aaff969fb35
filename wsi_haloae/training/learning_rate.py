"""The learning rate as a function of the step alone, so that a resumed run needs no other state."""

from __future__ import annotations

import math
from typing import Literal

WARM_UP = 0.1
"""Share of the steps over which the rate rises."""


def rate_factor(step: int, total_steps: int, schedule: Literal["constant", "warmup_cosine"]) -> float:
    """What the configured rate is multiplied by at a step counted from 0.

    ``warmup_cosine`` rises linearly over the first tenth of the steps and falls to nearly 0 as half a
    cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts).
    """
    if schedule == "constant":
        return 1.0
    rising = max(1, round(WARM_UP * total_steps))
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total_steps - rising)))
