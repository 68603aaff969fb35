"""Labelled tiles that training used are not judged, and what must be said about the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.held_out import counted
from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.provenance.fingerprints import image_hash, patient_hash
from wsi_haloae.provenance.parts import UNUSED, PartNumbers, count_parts
from wsi_haloae.provenance.trained_on import TrainedOn
from wsi_haloae.stores.scored_as import some
from wsi_haloae.tiles.views import Chosen


def unseen(labelled: LabelledSource, known: TrainedOn | None) -> tuple[LabelledSource, list[str]]:
    """The tiles, as they were read, that training did not use, and warnings; ``known`` is what it used.

    Raises `UsageError` if no reference tile or no anomalous tile is left.
    """
    if known is None:
        return labelled, ["The model does not record what it was trained on, so tiles that it knows are judged too."]
    source = labelled.source
    parts = known.parts_of(np.array([image_hash(source.read(tile)) for tile in range(len(labelled.classes))]))
    kept = np.flatnonzero(parts == UNUSED)
    left = replace(
        labelled, source=Chosen(source, kept), classes=labelled.classes[kept], anomalous=labelled.anomalous[kept]
    )
    if len(set(left.anomalous.tolist())) < 2:
        kind = "anomalous" if left.anomalous.size and not left.anomalous.any() else "reference"
        raise UsageError(
            f"Training used every {kind} tile ({counted(count_parts(parts))}), and no model is judged on them. Give "
            "tiles of other patients."
        )
    return left, list(_warnings(left, parts, known))


def _warnings(left: LabelledSource, parts: PartNumbers, known: TrainedOn) -> Iterator[str]:
    used = count_parts(parts)
    if used:
        yield f"{sum(used.values()):,} tiles were left out, because training used them ({counted(used)})."
    groups = sorted(set(left.source.groups))
    patients = [group for group in groups if patient_hash(group) in known.facts.patients]
    if patients:
        yield f"Training used other tiles of these groups: {some(patients)}. Figures over them flatter the model."
    if known.facts.slides:
        yield (
            "The model was trained on tiles of slides, which cannot be recognised in folders of images: make sure that "
            "these images are of other patients."
        )
