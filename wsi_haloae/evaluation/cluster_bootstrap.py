"""How far a result would move with other patients: intervals by bootstrap over groups.

Tiles of one patient or cluster are alike, so whole groups are drawn with replacement (Field and
Welsh 2007, Journal of the Royal Statistical Society B 69:369). All methods see the same draws, which
makes their differences paired.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.labelled_scores import require_labelled_scores

DRAWS = 1000
ATTEMPTS = 20
"""A draw that loses a class is drawn again; so many times as many draws are made at most."""


class ClusterBootstrap:
    """Draws of groups, for tiles with labels ``anomalous`` (n,) bool and names ``groups`` (n,)."""

    def __init__(
        self, anomalous: NDArray[np.bool_], groups: NDArray[np.str_], *, seed: int = 0, draws: int = DRAWS
    ) -> None:
        self._anomalous = anomalous
        names, numbers = np.unique(groups, return_inverse=True)
        self.groups = len(names)
        random, share = np.random.default_rng(seed), np.full(len(names), 1 / len(names))
        kept: list[NDArray[np.int64]] = []
        for _ in range(ATTEMPTS * draws):
            weights = random.multinomial(len(names), share)[numbers]
            if weights[anomalous].any() and weights[~anomalous].any():
                kept.append(weights)
            if len(kept) == draws:
                break
        if len(kept) < draws:
            raise UsageError(
                f"{len(names)} groups were given, of which nearly every draw loses a class; intervals need more "
                "groups with reference tiles and more with anomalous ones."
            )
        self._draws = kept

    def auroc(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """AUROC of scores (n,) in each draw: (draws,)."""
        require_labelled_scores(scores, self._anomalous, measure="AUROC", of="tile")
        return np.array([roc_auc_score(self._anomalous, scores, sample_weight=weights) for weights in self._draws])

    def average_precision(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Average precision of scores (n,) in each draw: (draws,)."""
        require_labelled_scores(scores, self._anomalous, measure="Average precision", of="tile")
        return np.array(
            [average_precision_score(self._anomalous, scores, sample_weight=weights) for weights in self._draws]
        )
