"""TrainedOn: everything that a model was trained on, validated on or calibrated on, as kept in its checkpoint.

    facts     slides with the grids of their tiles, patients, numbers of images: JSON, about 300 bytes a slide
    cells     the part of each grid cell, packed (`used_tiles`): a quarter of a byte a tile, 5 kB a slide at most
    images    8 bytes an image, for folders of images, which belong to no slide

Nothing in it is a name or a path. Ten thousand large slides take at most 50 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from wsi_haloae.provenance.fingerprints import patient_hash
from wsi_haloae.provenance.parts import PARTS, UNUSED, Part, PartNumbers, count_parts
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.provenance.used_tiles import UsedGrid, UsedTiles, pack


class UsedSlide(UsedGrid):
    """The fingerprint of a slide, and the grid of its used tiles."""

    fingerprint: str


class TrainedOnFacts(BaseModel):
    """The part of `TrainedOn` that is JSON; ``patients`` are hashes of names, ``images`` numbers of images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slides: tuple[UsedSlide, ...] = ()
    patients: dict[str, tuple[Part, ...]] = Field(default_factory=dict)
    images: dict[Part, PositiveInt] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """What a model was trained on. ``cells`` (bytes,) are those of ``facts.slides``, one slide after another.

    ``images`` (n,) are fingerprints, in the order of `PARTS` and ascending within each part.
    """

    facts: TrainedOnFacts
    cells: NDArray[np.uint8]
    images: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Raise `ValueError` for arrays that do not fit the facts."""
        for name, found, wanted in (
            ("cells", len(self.cells), sum(slide.packed_bytes for slide in self.facts.slides)),
            ("images", len(self.images), sum(self.facts.images.values())),
        ):
            if found != wanted:
                raise ValueError(f"{found} {name} instead of {wanted}")

    @classmethod
    def of(
        cls,
        slides: Sequence[tuple[UsedSlide, PartNumbers]],
        patients: Mapping[str, set[Part]],
        images: Mapping[Part, Sequence[np.int64]],
    ) -> Self:
        """From the parts of each slide's cells (rows, columns), patients by name, and images' fingerprints by part."""
        packed = [pack(parts) for _, parts in slides]
        ordered = [np.sort(np.asarray(images.get(part, ()), np.int64)) for part in PARTS]
        facts = TrainedOnFacts(
            slides=tuple(slide for slide, _ in slides),
            patients={
                patient_hash(name): tuple(part for part in PARTS if part in patients[name]) for name in sorted(patients)
            },
            images={part: len(own) for part, own in zip(PARTS, ordered, strict=True) if len(own)},
        )
        return cls(facts, np.concatenate([np.empty(0, np.uint8), *packed]), np.concatenate(ordered))

    def use_of(self, fingerprint: str, patient: str | None) -> SlideUse:
        """What was used of a slide and of its patient (None: the name is not known)."""
        ends = np.cumsum([slide.packed_bytes for slide in self.facts.slides])
        tiles = tuple(
            UsedTiles.of(slide, self.cells[end - slide.packed_bytes : end])
            for slide, end in zip(self.facts.slides, ends.tolist(), strict=True)
            if slide.fingerprint == fingerprint
        )
        patients = self.facts.patients
        counts = [count_parts(one.parts()) for one in tiles]
        total = {part: sum(count.get(part, 0) for count in counts) for part in PARTS}
        return SlideUse(
            slide={part: count for part, count in total.items() if count},
            patient=patients.get(patient_hash(patient), ()) if patient and patients else None,
            tiles=tiles,
        )

    def parts_of(self, images: NDArray[np.int64]) -> PartNumbers:
        """The part that each image (n,), given by its fingerprint, is in."""
        numbers, end = np.full(len(images), UNUSED, np.uint8), len(self.images)
        for number, part in reversed(list(enumerate(PARTS, 1))):  # of two equal images, the one in train counts
            start = end - self.facts.images.get(part, 0)
            numbers[np.isin(images, self.images[start:end])] = number
            end = start
        return numbers
