"""What is known of an epoch, and whether its weights are kept in place of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

AS_GOOD = 0.005
"""Marks that differ by less do not tell epochs apart: one training had 0.57 from its second epoch on, while L_fm
fell to half and its worth on real anomalies rose from 0.58 to 0.95."""


@dataclass(frozen=True)
class HeldOut:
    """L_fm of unchanged tiles, and the synthetic mark, if it decides."""

    loss: float
    mark: float | None = None

    @property
    def badness(self) -> float:
        """What the best epoch has least."""
        return self.loss if self.mark is None else 1 - self.mark

    def is_better(self, kept: HeldOut | None, least: float) -> bool:
        """Whether it is kept in place of ``kept``; ``least`` is the lowest badness of the epochs before.

        Of epochs whose marks are as good as the best one, that with the lowest loss is kept.
        """
        if self.mark is None or kept is None:
            return self.badness < least
        enough = min(least, self.badness) + AS_GOOD
        return self.badness <= enough and (kept.badness > enough or self.loss < kept.loss)


@dataclass(frozen=True)
class EpochRecord:
    """One row of the loss curve: unweighted training losses (None: left out), held-out L_fm, weights, and the mark."""

    epoch: int
    step: int
    loss_cls: float | None
    loss_fm: float | None
    loss_im: float | None
    validation_fm: float
    weight_cls: float
    weight_fm: float
    weight_im: float
    synthetic_mark: float | None = None
    """How well the residual tells synthetic anomalies (`SyntheticMark`); None if held-out L_fm decides."""

    @property
    def held_out(self) -> HeldOut:
        """What decides whether it is the best."""
        return HeldOut(self.validation_fm, self.synthetic_mark)
