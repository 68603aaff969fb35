"""Chooses the scoring rule if ``scoring.rule`` is *auto*: the one that works best on the reference tiles at hand.

    descriptor   adapts to slides; without the auto-encoder
    combined     the auto-encoder's residuals and the features
    content      only the features' means

The procedure: rules are marked by how well they tell synthetic anomalies from reference tiles of other groups with
other imaging (`leads`). The first rule is used unless another leads it by more than `leads.MARGIN`, and surely: the
95 % interval of the lead over groups is above 0. With too few tiles or groups nothing leads. The weight of simulated
changes in the metric of `descriptor` is chosen in the same way, against `DEFAULT_WEIGHT`.

Only *validation* tiles are used, which the auto-encoder has not been trained on. `descriptor` is marked in the metrics
that their groups did not teach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.config import DESCRIPTOR, RULES, candidates
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Advance, with_noun
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.tiles.sources import TileSource, evenly
from wsi_haloae.tiles.views import Chosen
from wsi_haloae.training.anomaly_scores import Scores, imaged_otherwise, scored_anomalies, tested_tiles
from wsi_haloae.training.descriptors import DEFAULT_WEIGHT, WEIGHTS, CrossFitted, with_weight
from wsi_haloae.training.leads import FEWEST_GROUPS, FEWEST_TILES, Lead, Marks
from wsi_haloae.training.moments import moments_of
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES

MOST_TILES = 64
"""How many validation tiles are used; each is scored once with other imaging, and once per synthetic anomaly."""
CHANCE = 0.5
BELOW_CHANCE = "; below 0.5, another stain, focus or scanner scores higher than what was altered"
BATCH = 16


@dataclass(frozen=True)
class Choice:
    """The chosen rule, the marks of the candidates, and their leads over the first (empty: too few to say)."""

    rule: str
    marks: Mapping[str, float]
    leads: Mapping[str, Lead]
    tiles: int
    groups: int

    def describe(self, unit: str = "group") -> str:
        """Three lines about the choice, for people; ``unit`` is what the groups are (`split.unit_of`)."""
        listed = ", ".join(f"{name} {mark:.3f}" for name, mark in self.marks.items())
        why = RULES[self.rule].auto_says
        return (
            f"score: {self.rule}, of the ways to score with these marks: {listed}\n"
            "  A mark says how well held-out tiles that were altered on purpose are told from others with another "
            f"stain, focus or scanner (AUROC, the worst of {len(SYNTHETIC_ANOMALIES)} alterations): 1 is perfect, 0.5 "
            f"is chance{BELOW_CHANCE if min(self.marks.values()) < CHANCE else ''}\n"
            f"  {self._reason(unit)}{f'; {why}' if why else ''}"
        )

    @property
    def warning(self) -> str | None:
        """What to do if the chosen rule does worse than chance; None if it does not."""
        mark = self.marks[self.rule]
        if not mark < CHANCE:
            return None
        best = max(self.marks, key=lambda name: self.marks[name])
        other = f" 'scoring.rule={best}' has the mark {self.marks[best]:.3f}." if self.marks[best] > CHANCE else ""
        return (
            f"the mark of {self.rule}, {mark:.3f}, is below {CHANCE:g}: on these tiles the score takes another stain, "
            "focus or scanner for more anomalous than altered tissue. Train on more tiles, of several patients, or on "
            f"tiles that show more (another --tile-size or --mpp-target).{other} Judge the model by outlines "
            "('wsi-haloae evaluate') before you rely on it."
        )

    def _reason(self, unit: str) -> str:
        if not self.leads:
            return (
                f"{with_noun(self.tiles, 'held-out tile')} of {with_noun(self.groups, unit)} are too few to "
                f"choose by (at least {FEWEST_TILES} tiles of at least {with_noun(FEWEST_GROUPS, unit)} are needed), "
                "so the usual rule is used"
            )
        name = self.rule if self.rule in self.leads else max(self.leads, key=lambda one: self.leads[one].lead)
        lead, interval = self.leads[name].lead, self.leads[name].interval
        if lead <= 0:
            return "No other rule leads the usual one"
        words = f"{name} leads by {lead:+.3f} ({interval.low:+.3f} to {interval.high:+.3f} over {unit}s)"
        return words if self.rule == name else f"{words}: a toss-up, so the usual rule is used"


def choose_rule(
    checkpoint: Checkpoint,
    source: TileSource,
    validation: NDArray[np.int64],
    groups: NDArray[np.str_],
    learned: CrossFitted,
    device: torch.device,
    advance: Advance,
) -> tuple[Checkpoint, Choice]:
    """Choose a rule, and the weight of the metric; `checkpoint` must have learned its rules.

    ``groups`` has the group of each tile of the source. The returned checkpoint records the rule and the marks.
    """
    numbers = drawn(validation)
    sample, own = Chosen(source, numbers), groups[numbers]
    asking = _scoring_by(checkpoint, candidates()[0])
    tested = tested_tiles(asking, imaged_otherwise(sample), sample)
    moments = moments_of(Scorer(checkpoint, device, BATCH), tested, np.arange(len(tested.groups)), advance)
    everyone = np.tile(own, 1 + len(SYNTHETIC_ANOMALIES))
    distances = {f"{one:g}": learned.held_out_distances(moments, everyone, one) for one in WEIGHTS}
    weight, _ = _chosen(_marks(distances, own), f"{DEFAULT_WEIGHT:g}")
    rules = scored_anomalies(asking, tested, device, advance)
    scores = {name: distances[weight] if name == DESCRIPTOR else rules[name] for name in candidates()}
    marks = _marks(scores, own)
    rule, leads = _chosen(marks, candidates()[0])
    choice = Choice(rule, marks.marks(), leads, len(own), len(set(own.tolist())))
    chosen = with_weight(_scoring_by(checkpoint, rule), learned, float(weight))
    return chosen.with_facts(rule_marks=dict(choice.marks)), choice


def passes(validation: NDArray[np.int64]) -> int:
    """How many tiles `choose_rule` scores or measures."""
    return 2 * len(drawn(validation)) * (1 + len(SYNTHETIC_ANOMALIES))


def drawn(validation: NDArray[np.int64]) -> NDArray[np.int64]:
    """The validation tiles that the choice is made on."""
    return evenly(validation, MOST_TILES)


def _chosen(marks: Marks, usual: str) -> tuple[str, dict[str, Lead]]:
    """The name with the largest lead over ``usual`` that is enough, or ``usual``; and all leads."""
    leads = marks.leads(usual)
    enough = [name for name, lead in leads.items() if lead.enough]
    return max(enough, key=lambda name: leads[name].lead, default=usual), leads


def _marks(scores: Scores, groups: NDArray[np.str_]) -> Marks:
    """Marks from scores of usual tiles (n,), then of each kind of synthetic anomaly: (n + kinds x n,) each."""
    parts = {name: np.split(values, 1 + len(SYNTHETIC_ANOMALIES)) for name, values in scores.items()}
    usual, *anomalies = (
        {name: part[place] for name, part in parts.items()} for place in range(1 + len(SYNTHETIC_ANOMALIES))
    )
    return Marks(usual, anomalies, groups)


def _scoring_by(checkpoint: Checkpoint, rule: str) -> Checkpoint:
    config = checkpoint.facts.config
    scoring = config.scoring.model_copy(update={"rule": rule})
    return checkpoint.with_facts(config=config.model_copy(update={"scoring": scoring}))
