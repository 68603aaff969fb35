"""How the default scoring rule was chosen: a written procedure that needs no anomalous example.

Reference tiles of groups that the auto-encoder has not seen are turned into several kinds of synthetic anomaly
(`synthetic_anomalies`), and every rule is tested on telling these from the unchanged tiles. A rule's mark is its AUROC
on the *worst* kind, because nobody knows which kind of anomaly will come. The rule with the best mark is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RuleMark:
    """A rule, its AUROC by kind of synthetic anomaly (mean over trainings), and the lowest of these."""

    rule: str
    by_disturbance: Mapping[str, float]
    mark: float


def mark_rules(trainings: Sequence[Mapping[str, Mapping[str, float]]]) -> list[RuleMark]:
    """Marks, best first, from each training's AUROC by kind of synthetic anomaly and rule.

    A rule that some training could not use is left out. `ValueError` without a training.
    """
    if not trainings:
        raise ValueError("no training was given; marking rules needs at least one")
    kinds = list(trainings[0])
    rules = [rule for rule in trainings[0][kinds[0]] if all(rule in one[kinds[0]] for one in trainings)]
    marks = []
    for rule in rules:
        areas = {kind: float(np.mean([one[kind][rule] for one in trainings])) for kind in kinds}
        marks.append(RuleMark(rule, areas, min(areas.values())))
    return sorted(marks, key=lambda one: -one.mark)


def markdown_rules(title: str, marks: Sequence[RuleMark], trainings: int) -> str:
    """A row per rule, best first."""
    kinds = list(marks[0].by_disturbance)
    introduction = (
        f"AUROC of synthetic anomalies against the held-out reference tiles they were made from, mean of {trainings} "
        f"training{'s' * (trainings != 1)}. No real anomaly was used. The mark is the lowest AUROC of a rule.\n"
    )
    lines = [
        f"# {title}: which rule detects synthetic anomalies\n",
        introduction,
        "| rule | " + " | ".join(kinds) + " | mark |",
        "| --- |" + " ---: |" * (len(kinds) + 1),
        *(f"| {one.rule} | {_areas([*one.by_disturbance.values(), one.mark])} |" for one in marks),
    ]
    return "\n".join(lines) + "\n"


def _areas(areas: Sequence[float]) -> str:
    return " | ".join(f"{area:.3f}" for area in areas)
