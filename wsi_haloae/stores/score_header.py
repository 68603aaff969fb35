"""ScoreHeader: everything that decides the scores of a slide, kept in its store's attributes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.calibration.circumstances import UNKNOWN, Circumstances
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.config import RULES
from wsi_haloae.progress import with_noun
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.stores.store_header import StoreHeader


class ModelRecord(BaseModel):
    """Which model scored, and the fixed scale its scores are shown on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sha256: str
    rule: str  # in words
    rule_name: str | None = None  # its name in the table of rules; None for stores from before it was kept
    mpp: float
    display_range: tuple[float, float]
    map_range: tuple[float, float] | None = None  # the same for anomaly maps; None for models from before it was kept
    calibration: CalibrationFacts | None
    calibrated: Circumstances = UNKNOWN
    artefacts: ArtefactLimits | None

    @property
    def smallest_p(self) -> float | None:
        """The p-value of a score above all calibration scores; None without calibration."""
        return None if self.calibration is None else self.calibration.smallest_p


class ComputeRecord(BaseModel):
    """How the scores were computed. A resumed run uses the same values, so that it writes the same bytes.

    Only ``threads``, those that it was begun on, change none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_size: int
    dtype: str
    device: str
    threads: int
    lowered_from: int | None = None  # the batch size that did not fit into memory
    all_rules: bool = True  # also those that take time; stores from before there was a choice have them

    def __str__(self) -> str:
        """In words: "float32 on cpu, batches of 16 tiles, 2 threads"."""
        batches, threads = with_noun(self.batch_size, "tile"), with_noun(self.threads, "thread")
        return f"{self.dtype} on {self.device}, batches of {batches}, {threads}"


class ScoreHeader(StoreHeader):
    """The attributes of a score store."""

    model: ModelRecord
    compute: ComputeRecord
    layers: tuple[str, ...]
    rules: tuple[str, ...]
    map_size: int | None  # side of the kept anomaly maps, None without --maps
    map_adds_up: bool = False  # whether the mean of a kept map over tissue is the score; False for older stores
    roi_sha256: str | None
    descriptor_size: int | None = None  # numbers k of a descriptor, None for a model without
    trained_on: SlideUse | None = None  # what training used of this slide; None for models that do not know it
    why_empty: str | None = None  # why there is no tile, although the slide is not empty glass

    @property
    def usual_rules(self) -> tuple[str, ...]:
        """``rules``, without those that are there only if all rules were asked for."""
        return tuple(name for name in self.rules if name not in RULES or not RULES[name].on_request)

    @property
    def holds_reference(self) -> bool:
        """Whether some of the slide is known to be reference tissue, because the model was trained on tiles of it."""
        return bool(self.trained_on and self.trained_on.slide)

    def identity(self) -> dict[str, Any]:
        """Everything except ``compute``, which a resumed run reads from the store, and what follows from the rest."""
        implied = {"rule_name", "map_range"}
        known_later = {"compute": True, "trained_on": True, "why_empty": True}
        return self._without({**known_later, "model": implied}) | {"rules": list(self.usual_rules)}

    def learns(self, header: ScoreHeader) -> bool:
        """Whether ``header``, of a later run, knows more about the slide's patient, who may have been named since."""
        named = header.trained_on is not None and header.trained_on.patient is not None
        return named and self.trained_on != header.trained_on
