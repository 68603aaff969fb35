"""What a training used of one slide. It is kept with the slide's scores, so outputs can say it without the model."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from wsi_haloae.provenance.parts import Part
from wsi_haloae.provenance.used_tiles import UsedTiles

NOT_USED = "no"
"""In tables, in place of the parts."""


class Use(BaseModel):
    """How many tiles of the slide are in each part, and the parts that hold tiles of its patient.

    ``patient`` is None if that cannot be known, because the patient was not named in training or in scoring.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    slide: dict[Part, PositiveInt] = Field(default_factory=dict)
    patient: tuple[Part, ...] | None = None

    @property
    def trained(self) -> bool:
        """Whether training used this slide, or another one of this patient, in whichever part."""
        return bool(self.slide or self.patient)

    @property
    def slide_words(self) -> str:
        """The parts that hold tiles of the slide: "train, validation", or "no"."""
        return _words(self.slide)

    @property
    def patient_words(self) -> str:
        """The same for the patient; "" if that cannot be known."""
        return "" if self.patient is None else _words(self.patient)

    def __str__(self) -> str:
        """In words: "slide: train, validation; patient: train"."""
        return f"slide: {self.slide_words}; patient: {self.patient_words or 'not known'}"

    @property
    def notice(self) -> str | None:
        """A sentence for people who look at this slide; None if training did not use it."""
        if self.slide:
            counts = ", ".join(f"{count:,} {part}" for part, count in self.slide.items())
            return (
                f"Training used tiles of this slide ({counts}), so its scores and p-values are not those of a new "
                "slide: they flatter the model."
            )
        if self.patient:
            return (
                f"Training used another slide of this patient ({self.patient_words}), so scores and p-values may "
                "flatter the model."
            )
        return None


class SlideUse(Use):
    """The same, with the used tiles: one entry for each grid that the slide was tiled with for training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tiles: tuple[UsedTiles, ...] = ()

    def summary(self) -> Use:
        """Without the tiles."""
        return Use(slide=self.slide, patient=self.patient)


def _words(parts: Iterable[Part]) -> str:
    return ", ".join(parts) or NOT_USED
