"""What ``evaluate`` measures on scored slides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wsi_haloae.evaluation.judgement import Judgement


@dataclass(frozen=True)
class SlideResult:
    """The judgement, and of which slides; ``unlabelled`` scored tiles are in no outline."""

    slides: Sequence[str]
    unlabelled: int
    judgement: Judgement

    def as_json(self) -> dict[str, Any]:
        """Plain values; the figures are beside the facts about the slides."""
        return {"slides": list(self.slides), "unlabelled": self.unlabelled, **asdict(self.judgement)}
