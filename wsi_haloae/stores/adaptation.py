"""Two groups of a score store: what adapting its scores needs, and the scores after the last adaptation.

    reference/   the model's `ReferenceDescriptors`, by the names of its arrays
    adapted/
      score, p_value    (n,)   float32   NaN where there is none
      reference_scores  (k,)   float32   quantiles of held-out reference tiles' scores, adapted in the same way
      attributes               an `AdaptedRecord`

``adapted`` is replaced whole by another adaptation. The columns of the store itself never change: they have the scores
of a slide of whose level nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat

from wsi_haloae.adaptation.adapt import Adapted, Asked
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.adaptation.standpoint import Mode
from wsi_haloae.atomic import new_tree, remove
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.stores.column_file import create_whole
from wsi_haloae.stores.seal import is_sealed, seal_new
from wsi_haloae.stores.sealed_store import open_sealed

REFERENCE_NAME, ADAPTED_NAME = "reference", "adapted"
ADAPTED: Final = frozenset({"score", "p_value", "reference_scores"})
"""Arrays that an adaptation replaces."""
QUANTILES = 256
"""Of the reference's scores: enough to draw their histogram beside the slide's."""


class AdaptedRecord(BaseModel):
    """How scores were adapted; see `wsi_haloae.adaptation.adapt`.

    ``tiles`` is how many tiles gave the slide's level, ``scale`` what distances are divided by, ``anchors`` are
    the numbers of the tiles that somebody marked. ``widening`` is what ranges of maps are multiplied by. ``radius``:
    each score is the median of the tiles within so many µm; None: it is the tile's own.
    ``note`` is a sentence that people must read, or "".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    asked: Asked
    mode: Mode
    tiles: int
    scale: PositiveFloat
    anchors: tuple[int, ...] = ()
    radius: PositiveFloat | None = None
    note: str = ""
    display_range: tuple[float, float]
    widening: PositiveFloat = 1.0
    calibration: CalibrationFacts

    @property
    def plain(self) -> bool:
        """Whether scores are neither adapted to the slide nor smoothed."""
        return self.mode == "none" and self.radius is None

    @property
    def words(self) -> str:
        """A phrase for people."""
        smoothed = "" if self.radius is None else f"; smoothed: the median of all tiles within {self.radius:g} µm"
        return self._level_words + smoothed

    @property
    def reference_words(self) -> str:
        """The same of the held-out reference tiles that this slide's are compared with."""
        if self.plain:
            return "not adapted to a slide"
        return "adapted as this slide is" if self.mode != "none" else "smoothed as this slide is"

    @property
    def _level_words(self) -> str:
        if self.mode == "none":
            return "not adapted to the slide"
        if self.mode == "anchors":
            source = f"marked reference {'tile' if self.tiles == 1 else 'tiles'}"
        else:
            source = "tiles that are most like the reference"
        return f"adapted to the level of this slide's {self.tiles:,} {source}"


@dataclass(frozen=True, eq=False)
class AdaptedScores:
    """Scores and p-values (n,) after adaptation, quantiles (k,) of the reference's scores, and the record."""

    record: AdaptedRecord
    arrays: Mapping[str, NDArray[np.float32]]


def write_reference(group: zarr.Group, reference: ReferenceDescriptors) -> None:
    """Write the reference into the group of a new store."""
    inside = group.create_group(REFERENCE_NAME)
    for name, values in reference.arrays().items():
        create_whole(inside, name, values)


def read_reference(store: zarr.Group) -> ReferenceDescriptors:
    """The reference of a store. Raises `ValueError` or `KeyError` if it is damaged."""
    group = store.require_group(REFERENCE_NAME)
    return ReferenceDescriptors.of({name: np.asarray(array[:]) for name, array in group.arrays()})


def adapted_scores(adapted: Adapted, asked: Asked, anchors: NDArray[np.int64]) -> AdaptedScores:
    """Scores, p-values and record as a store keeps them; ``anchors`` are the numbers of the marked tiles."""
    stand = adapted.standpoint
    record = AdaptedRecord(
        asked=asked,
        mode=stand.mode,
        tiles=stand.tiles,
        scale=stand.scale,
        anchors=tuple(anchors.tolist()) if stand.mode == "anchors" else (),
        radius=adapted.radius,
        note=adapted.note,
        display_range=adapted.display_range,
        widening=adapted.widening,
        calibration=adapted.calibration.facts,
    )
    arrays = {
        "score": adapted.scores,
        "p_value": adapted.calibration.p_values(adapted.scores),
        "reference_scores": adapted.calibration.quantiles(QUANTILES),
    }
    return AdaptedScores(record, arrays)


def write_adapted(store: Path, adapted: AdaptedScores) -> None:
    """Replace the adapted scores of the store at this path.

    If the process is killed, the old ones are there, or the new ones, or, for a moment, none: then the scores count as
    not adapted, and the next `score` or `export` adapts them.
    """
    with new_tree(store / ADAPTED_NAME, beside=store) as partial:
        group = zarr.create_group(partial, zarr_format=3)
        for name, values in adapted.arrays.items():
            create_whole(group, name, values)
        seal_new(partial, adapted.record.model_dump(mode="json"))
        remove(store / ADAPTED_NAME)


def read_adapted(store: Path, tiles: int, *, sealed: bool) -> AdaptedScores | None:
    """The adapted scores of a store with this many tiles; None if there are none. `ValueError` for damaged ones.

    Those in a store of an earlier version may have no seal.
    """
    path = store / ADAPTED_NAME
    if not path.is_dir():
        return None
    if sealed or is_sealed(path):
        group, within = open_sealed(path, name=f"{ADAPTED_NAME}/")
        attributes = within.seal.attributes
    else:
        group = zarr.open_group(path, mode="r", zarr_format=3)
        attributes = dict(group.attrs)
    arrays = {name: np.asarray(array[:]) for name, array in group.arrays()}
    if arrays.keys() != ADAPTED or any(values.dtype != np.float32 for values in arrays.values()):
        raise ValueError("its adapted scores lack an array, or have one of another type")
    if arrays["score"].shape != (tiles,) or arrays["p_value"].shape != (tiles,) or arrays["reference_scores"].ndim != 1:
        raise ValueError("its adapted scores have another number of tiles")
    return AdaptedScores(AdaptedRecord.model_validate(attributes), arrays)
