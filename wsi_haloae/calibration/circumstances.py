"""How a model was calibrated, as far as p-values depend on it, and what to say about p-values of a slide."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict


class Circumstances(BaseModel):
    """The arithmetic in which reference tiles were scored, and what their groups are.

    ``blocks``: there were too few slides or patients, so the groups are blocks of neighbouring tiles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: str
    blocks: bool

    def warnings(self, precision: str) -> Iterator[str]:
        """Sentences about the p-values of a slide that was scored in ``precision``."""
        if self.blocks:
            yield (
                "The model was calibrated by blocks of neighbouring tiles, because it was trained on fewer than three "
                "slides or patients. Its p-values say how rare a tile is on such a slide; they cannot know how "
                "patients differ."
            )
        if precision != self.precision:
            yield (
                f"The model was calibrated in {self.precision}, and this slide was scored in {precision}, which moves "
                "p-values a little."
            )
