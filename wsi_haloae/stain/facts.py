"""The two stains of a slide, in the form stored in a checkpoint."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from wsi_haloae.stain.normalise import StainEstimate


class StainFacts(BaseModel):
    """`StainEstimate` as plain numbers: two unit vectors of optical density, and their strengths."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    vectors: tuple[tuple[float, float, float], tuple[float, float, float]]
    strengths: tuple[float, float]

    @classmethod
    def of(cls, estimate: StainEstimate) -> StainFacts:
        """The numbers of an estimate, to the last digit."""
        return cls.model_validate({"vectors": estimate.vectors.tolist(), "strengths": estimate.strengths.tolist()})

    def estimate(self) -> StainEstimate:
        """The numbers as arrays. Raises `UsageError` if they are not two different stains."""
        return StainEstimate(np.array(self.vectors), np.array(self.strengths))
