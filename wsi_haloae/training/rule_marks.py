"""How the default scoring rule is chosen: a written procedure that needs no anomalous example.

Reference tiles of groups that the auto-encoder has not seen are disturbed in several ways (`surrogates`), and every
rule is asked to tell them from the undisturbed ones. A rule is marked by the disturbance that it tells *worst*, for
nobody knows which kind of anomaly will come; the best mark is the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RuleMark:
    """A rule, its AUROC by kind of disturbance (mean over trainings), and the lowest of these."""

    rule: str
    by_disturbance: Mapping[str, float]
    mark: float


def mark_rules(trainings: Sequence[Mapping[str, Mapping[str, float]]]) -> list[RuleMark]:
    """Marks, best first, from each training's AUROC by disturbance and rule.

    A rule that a training could not use is left out. `ValueError` without a training.
    """
    if not trainings:
        raise ValueError("no training was given; rules are marked by at least one")
    disturbances = list(trainings[0])
    rules = [rule for rule in trainings[0][disturbances[0]] if all(rule in one[disturbances[0]] for one in trainings)]
    marks = []
    for rule in rules:
        found = {name: float(np.mean([one[name][rule] for one in trainings])) for name in disturbances}
        marks.append(RuleMark(rule, found, min(found.values())))
    return sorted(marks, key=lambda one: -one.mark)


def markdown_rules(title: str, marks: Sequence[RuleMark], trainings: int) -> str:
    """A row per rule, best first."""
    disturbances = list(marks[0].by_disturbance)
    introduction = (
        f"AUROC of disturbed against undisturbed held-out reference tiles, mean of {trainings} "
        f"training{'s' * (trainings != 1)}. No anomalous tile was used. Marked by the lowest.\n"
    )
    lines = [
        f"# {title}: which rule tells disturbed reference tiles\n",
        introduction,
        "| rule | " + " | ".join(disturbances) + " | mark |",
        "| --- |" + " ---: |" * (len(disturbances) + 1),
        *(f"| {one.rule} | {_areas([*one.by_disturbance.values(), one.mark])} |" for one in marks),
    ]
    return "\n".join(lines) + "\n"


def _areas(areas: Sequence[float]) -> str:
    return " | ".join(f"{area:.3f}" for area in areas)
