"""How much each loss counts: the evolving weighting scheme (HaloAE, section 3.3), and its alternatives.

    y(t) = (a - b) / (1 + exp(d (t - c/2))) + b,    alpha_i = y_i / sum(y),    t from 0 to 250

The paper prints the exponent in its Fig. 3 ambiguously; this formula gives the curve that it draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

T_END = 250.0
"""Time t at the end of the paper's schedule."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the classification, feature map and image losses; they sum to 1."""

    cls: float
    fm: float
    im: float

    def among(self, *, cls: bool, fm: bool, im: bool) -> LossWeights:
        """The same with some terms left out, which then weigh 0; the others sum to 1 again."""
        kept = self.cls * cls, self.fm * fm, self.im * im
        return LossWeights(*(value / sum(kept) for value in kept))


EQUAL = LossWeights(1 / 3, 1 / 3, 1 / 3)
"""Equal weights (paper, Table 3, second row)."""


@dataclass(frozen=True)
class _Logistic:
    a: float
    b: float
    c: float
    d: float

    def __call__(self, t: float) -> float:
        return (self.a - self.b) / (1 + math.exp(self.d * (t - self.c / 2))) + self.b


_SCHEDULES = {
    "paper": (_Logistic(10, 0.4, 80, 0.05), _Logistic(1e-8, 1.2, 150, 0.05), _Logistic(1e-8, 2, 300, 0.05)),
    "released": (_Logistic(1, 0.4, 80, 0.07), _Logistic(-1e-8, 1.2, 150, 0.05), _Logistic(-1e-8, 2, 300, 0.05)),
}


def ews_weights(t: float, schedule: Literal["paper", "released"] = "paper") -> LossWeights:
    """Weights at schedule time ``t``, 0 to 250 (specification, section 2)."""
    values = [curve(t) for curve in _SCHEDULES[schedule]]
    return LossWeights(*(value / sum(values) for value in values))


def schedule_time(step: int, total_steps: int, steps_per_epoch: int, unit: Literal["progress", "epoch"]) -> float:
    """Time t of a step, counted from 0. By ``progress`` the last step is at 250, whatever the length."""
    if unit == "progress":
        return T_END * step / max(1, total_steps - 1)
    return float(step // steps_per_epoch)
