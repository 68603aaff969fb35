"""How a model was calibrated, as far as the meaning of p-values depends on it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Circumstances(BaseModel):
    """The arithmetic in which reference tiles were scored, and what their groups are.

    ``blocks``: there were too few slides or patients, so the groups are blocks of neighbouring tiles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: str = "float32"
    blocks: bool = False

    @property
    def warning(self) -> str | None:
        """A sentence for every page that shows p-values, if there is something to be said."""
        if not self.blocks:
            return None
        return (
            "The model was calibrated by blocks of neighbouring tiles, because it was trained on fewer than three "
            "slides or patients. Its p-values say how rare a tile is on such a slide; they cannot know how patients "
            "differ."
        )


UNKNOWN = Circumstances()
"""Of models from before this was kept, which were calibrated in float32 on every device."""
