"""What smoothing over neighbours adds on a scored slide, and at which size a lesion is lost.

    score store, outlines -> adapted again, smoothed over each radius -> judged
                          -> the same with lesions of known sizes, planted in normal tissue

A planted lesion is a square of tiles that get the descriptors of tiles of the slide's own lesion, drawn at random.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from wsi_haloae.adaptation.adapt import adapt
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.atomic import write_text
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.evaluation.region_overlap import region_overlap
from wsi_haloae.evaluation.tile_labels import label_tiles
from wsi_haloae.pages import percent
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.stores.sharded import TileIndex, TileState
from wsi_haloae.tiles.sources import evenly

RADII = (0, 150, 300, 600)
"""In µm; 0 is not smoothed."""
SIDES = (1, 2, 3, 4, 5, 7)
"""Of planted squares, in tiles."""
PLACES = 10
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Outlined:
    """The scored tiles of a slide: descriptors (n, k), positions (n, 3), and which of them are of each kind (n,).

    ``regions`` are the outlines of normal tissue and of the lesion, ``pixel_area`` is that of level 0 in mm².
    """

    reference: ReferenceDescriptors
    descriptors: NDArray[np.float16]
    positions: NDArray[np.float32]
    index: TileIndex
    usual: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    regions: tuple[BaseGeometry, BaseGeometry]
    pixel_area: float

    @classmethod
    def read(cls, scored: Path, annotations: Path, usual: str, lesion: str) -> Outlined:
        """From a scored slide's folder. Raises `UsageError` unless there are descriptors, and tiles of both classes."""
        store = ScoreStore.open(scored / STORE_NAME)
        descriptors, slide = store.descriptors(), store.header.slide
        if descriptors is None:
            raise UsageError(f"{scored}: scored by a model without descriptors. Train it again, and score again.")
        regions = read_annotations(annotations, Bounds(*slide.bounds) if slide.bounds else None).by_class
        done = store.states() == TileState.DONE
        index = store.index.select(done)
        classes = label_tiles(regions, index.location, index.size, 0.5)
        for name in (usual, lesion):
            if name not in classes:
                raise UsageError(f"{annotations}: no scored tile of the class {name!r}; there are {sorted(regions)}.")
        return cls(
            store.reference(), descriptors[done], store.positions()[done], index, classes == usual, classes == lesion,
            (regions[usual], regions[lesion]), slide.mpp_x * slide.mpp_y / 1e6,
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A slide at one ``radius`` in µm; ``lesion_called`` and the like are shares of tiles with p <= 0.05.

    ``planted_called`` is by the side of the planted square, in tiles.
    """

    radius: int
    auroc: float
    dice: float | None
    lesion_called: float
    usual_called: float
    planted_called: Mapping[int, float]


def measure_neighbourhood(slide: Outlined, output: Path) -> list[Row]:
    """Write ``neighbourhood.json`` and ``neighbourhood.md`` to ``output``."""
    rows = [judge(slide, radius) for radius in RADII]
    write_text(output / "neighbourhood.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    write_text(output / "neighbourhood.md", markdown_rows(rows))
    return rows


def judge(slide: Outlined, radius: int) -> Row:
    """The slide's own lesion, and planted ones, with scores that are smoothed over a radius."""
    scores, called = _called(slide, slide.descriptors, radius)
    either = slide.usual | slide.lesion
    overlap = region_overlap(
        called, np.ones(len(called), np.bool_), slide.index.location, slide.index.size,
        anomalous=slide.regions[1], reference=slide.regions[0], pixel_area=slide.pixel_area,
    )  # fmt: skip
    return Row(
        radius,
        auroc(scores[either], slide.lesion[either]),
        overlap.dice,
        float(called[slide.lesion].mean()),
        float(called[slide.usual].mean()),
        {side: _planted(slide, radius, side) for side in SIDES},
    )


def _planted(slide: Outlined, radius: int, side: int) -> float:
    """The share of called tiles in planted squares, one square at a time; NaN if none fits."""
    donors, shares = np.flatnonzero(slide.lesion), []
    for number, tiles in enumerate(squares(slide, side)):
        drawn = np.random.default_rng((side, number)).choice(donors, len(tiles))
        descriptors = slide.descriptors.copy()
        descriptors[tiles] = slide.descriptors[drawn]
        shares.append(_called(slide, descriptors, radius)[1][tiles].mean())
    return float(np.mean(shares)) if shares else float("nan")


def squares(slide: Outlined, side: int) -> list[NDArray[np.int64]]:
    """Numbers of the tiles of at most `PLACES` squares of normal tiles, ``side`` x ``side``, evenly spread."""
    usual = np.flatnonzero(slide.usual).tolist()
    numbers = {(int(slide.index.row[tile]), int(slide.index.column[tile])): tile for tile in usual}
    steps = [(down, right) for down in range(side) for right in range(side)]
    found = [[numbers.get((row + down, column + right)) for down, right in steps] for row, column in numbers]
    whole = [np.array(tiles) for tiles in found if None not in tiles]
    return [whole[place] for place in evenly(np.arange(len(whole)), PLACES)] if whole else []


def _called(
    slide: Outlined, descriptors: NDArray[np.float16], radius: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores (n,) as ``export --adapt auto --smooth`` makes them, and which tiles have p <= 0.05."""
    scored = np.ones(len(descriptors), np.bool_)
    adapted = adapt(slide.reference, descriptors, scored, radius=radius or None, positions=slide.positions)
    return adapted.scores, adapted.calibration.p_values(adapted.scores) <= LEVEL


def markdown_rows(rows: Sequence[Row]) -> str:
    """A table with a row for each radius."""
    sides = " | ".join(f"planted {side} x {side}" for side in SIDES)
    lines = [
        f"| radius, µm | AUROC | Dice | lesion called | normal called | {sides} |",
        "|---:|" + "---:|" * (4 + len(SIDES)),
    ]
    for row in rows:
        dice = "" if row.dice is None else f"{row.dice:.3f}"
        shares = " | ".join(percent(row.planted_called[side]) for side in SIDES)
        called = f"{percent(row.lesion_called)} | {percent(row.usual_called)}"
        lines.append(f"| {row.radius} | {row.auroc:.4f} | {dice} | {called} | {shares} |")
    return "\n".join(lines) + "\n"
