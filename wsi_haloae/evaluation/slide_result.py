"""What ``evaluate`` measures on scored slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wsi_haloae.evaluation.false_calls import FalseCalls
from wsi_haloae.evaluation.judgement import Figures, Judgement
from wsi_haloae.provenance.parts import Part


@dataclass(frozen=True)
class PatientFigures:
    """The same with intervals over ``patients`` patients. A slide whose patient is not named counts as one."""

    patients: int
    rules: Figures
    false_calls: FalseCalls | None


@dataclass(frozen=True)
class SlideResult:
    """The judgement, and of which slides; ``unlabelled`` scored tiles are in no outline.

    ``trained_on`` says for each slide what the model was trained on, ``left_out`` how many outlined tiles are therefore
    not in any figure. ``held_out`` has the figures over the slides that the model was not trained on; None if these are
    all slides, or none of them, or if a class has no tile on them. ``adapted``: whether the score is adapted to each
    slide, which other rules never are.
    """

    slides: Sequence[str]
    unlabelled: int
    judgement: Judgement
    by_patient: PatientFigures | None
    trained_on: Mapping[str, str]
    left_out: Mapping[Part, int]
    adapted: bool
    held_out: SlideResult | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values; the figures are beside the facts about the slides."""
        return {
            "slides": list(self.slides),
            "unlabelled": self.unlabelled,
            **asdict(self.judgement),
            "by_patient": None if self.by_patient is None else asdict(self.by_patient),
            "trained_on": dict(self.trained_on),
            "left_out": dict(self.left_out),
            "held_out": None if self.held_out is None else self.held_out.as_json(),
        }
