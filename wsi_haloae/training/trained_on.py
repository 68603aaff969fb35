"""Fingerprints of all reference tiles of a training, for its checkpoint (see `provenance.trained_on`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wsi_haloae.progress import Advance, Reporter
from wsi_haloae.provenance.fingerprints import image_hash
from wsi_haloae.provenance.parts import PARTS, UNUSED, Part, PartNumbers
from wsi_haloae.provenance.trained_on import TrainedOn, UsedSlide
from wsi_haloae.tiles.sources import TileSource, TileStoreSource
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.split import Split


def trained_on(reference: Reference, reporter: Reporter) -> TrainedOn:
    """What the reference tiles are: the grids of tile stores, the pixels of images, and their patients."""
    numbers = _part_numbers(reference.split, len(reference.groups))
    slides: list[tuple[UsedSlide, PartNumbers]] = []
    images: dict[Part, list[np.int64]] = {part: [] for part in PARTS}
    with reporter.track("Fingerprinting", len(numbers), "tiles") as advance:
        start = 0
        for source in reference.source.parts:
            own = numbers[start : start + len(source.groups)]
            start += len(own)
            if isinstance(source, TileStoreSource):
                slides.append(_used_slide(source, own))
                advance(len(own))
            else:
                _add_images(images, source, own, advance)
    return TrainedOn.of(slides, _parts_by_patient(reference.patients, numbers), images)


def _part_numbers(split: Split, tiles: int) -> PartNumbers:
    numbers = np.full(tiles, UNUSED, np.uint8)
    for number, part in enumerate(PARTS, 1):
        numbers[split.tiles[part]] = number
    return numbers


def _used_slide(source: TileStoreSource, numbers: PartNumbers) -> tuple[UsedSlide, PartNumbers]:
    """The smallest rectangle of the store's grid around its tiles, and the part of each of its cells."""
    header, index = source.header, source.index
    first_row, first_column = int(index.row.min()), int(index.column.min())
    rows, columns = index.row - first_row, index.column - first_column
    cells = np.full((int(rows.max()) + 1, int(columns.max()) + 1), UNUSED, np.uint8)
    cells[rows, columns] = numbers
    grid = header.grid
    slide = UsedSlide(
        fingerprint=header.slide.fingerprint,
        tile_size=grid.tile_size,
        stride=grid.stride,
        l0_scale_x=grid.l0_scale_x,
        l0_scale_y=grid.l0_scale_y,
        first_row=first_row,
        first_column=first_column,
        rows=cells.shape[0],
        columns=cells.shape[1],
    )
    return slide, cells


def _add_images(images: dict[Part, list[np.int64]], source: TileSource, numbers: PartNumbers, advance: Advance) -> None:
    for tile, number in enumerate(numbers.tolist()):
        if number != UNUSED:
            images[PARTS[number - 1]].append(image_hash(source.read(tile)))
        advance(1)


def _parts_by_patient(patients: Sequence[str | None], numbers: PartNumbers) -> dict[str, set[Part]]:
    found: dict[str, set[Part]] = {}
    for patient, number in zip(patients, numbers.tolist(), strict=True):
        if patient is not None and number != UNUSED:
            found.setdefault(patient, set()).add(PARTS[number - 1])
    return found
