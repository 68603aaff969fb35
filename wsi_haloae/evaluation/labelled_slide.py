"""One scored slide with people's outlines: the class of each tile, and what was called anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.classes import NO_CLASS, meant_by
from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.objects import Objects
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.annotations.tally import Tally
from wsi_haloae.calibration.selection import Selection
from wsi_haloae.errors import AnnotationError
from wsi_haloae.evaluation.discoveries import discovered
from wsi_haloae.evaluation.labelled_tiles import LabelledTiles
from wsi_haloae.evaluation.region_overlap import RegionOverlap, region_overlap
from wsi_haloae.evaluation.tile_labels import block_names, label_tiles
from wsi_haloae.provenance.parts import UNUSED, Part, count_parts
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.score_header import ScoreHeader
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.known import known_tiles


@dataclass(frozen=True)
class Outlines:
    """The truth: ``annotations`` is a file or a folder of them, classes in ``reference`` are not anomalous.

    A tile has a class if the class covers at least ``min_coverage`` (0..1) of its area. ``objects`` are the kinds of
    objects that count.
    """

    annotations: Path
    reference: Sequence[str]
    min_coverage: float
    objects: Objects = "annotation"


@dataclass(frozen=True, eq=False)
class LabelledSlide:
    """One slide's labelled tiles, and what was called on it.

    ``judged`` (n,) says which tiles of the store are among ``tiles``. ``patient`` is "" if nothing names it. ``use`` is
    what the model was trained on, None if the model does not know. Tiles that overlap a used one are not among
    ``tiles``; ``left_out`` counts those of them that have a class.
    ``radius``: each score is the median of the tiles within so many µm; None: it is the tile's own. ``tally`` is what
    became of the objects in the annotations, whose classes are ``known``. ``adapted``: whether the score is adapted to
    the slide, unlike those of the other rules.
    """

    name: str
    header: ScoreHeader
    tiles: LabelledTiles
    judged: NDArray[np.bool_]
    unlabelled: int
    selection: Selection | None
    why_none: str | None
    smallest_p: float | None
    overlap: RegionOverlap | None
    patient: str
    use: SlideUse | None
    left_out: Mapping[Part, int]
    anchors: int
    radius: float | None
    tally: Tally
    known: frozenset[str]
    adapted: bool


def label_slide(name: str, store: ScoreStore, outlines: Outlines, patient: str = "") -> LabelledSlide:
    """Label the tiles of a score store. Raises `AnnotationError` if there are no outlines with a class."""
    scored, slide = ScoredTiles.read(store), store.header.slide
    bounds = Bounds(*slide.bounds) if slide.bounds else None
    file = find_annotations(outlines.annotations, Path(slide.name))
    annotations = read_annotations(file, bounds, outlines.objects)
    if not annotations.by_class:
        raise AnnotationError(
            f"{file}: no polygon with a class, so there is nothing to judge by. {annotations.known()}"
        )
    index, done = scored.index, scored.state == TileState.DONE
    classes = label_tiles(annotations.by_class, index.location, index.size, outlines.min_coverage)
    use = store.header.trained_on
    used = np.full(len(index), UNUSED, np.uint8) if use is None else known_tiles(use, store.header.grid, index)
    outlined, anchors = done & (classes != NO_CLASS), () if scored.adapted is None else scored.adapted.anchors
    fair = used == UNUSED
    fair[list(anchors)] = False  # somebody has judged these tiles already
    judged = outlined & fair
    scores = store.scores()
    rules = {"score": scored.score, "paper": scored.score_paper}
    rules |= {name: scores.rules[:, place] for place, name in enumerate(store.header.rules)}
    selection = scored.selection
    chosen = np.zeros(len(index), bool) if selection is None else selection.chosen
    names = [each for name in outlines.reference for each in meant_by(name, annotations.by_class)]
    reference = np.isin(classes, names)
    overlap = None
    if selection is not None:
        overlap = region_overlap(
            chosen, done & fair, index.location, index.size,
            anomalous=_union(annotations.by_class, names, inside=False),
            reference=_union(annotations.by_class, names, inside=True),
            pixel_area=slide.mpp_x * slide.mpp_y / 1e6,
        )  # fmt: skip
    return LabelledSlide(
        name=name,
        header=store.header,
        tiles=LabelledTiles(
            classes=classes[judged],
            anomalous=~reference[judged],
            groups=block_names(name, index.row[judged], index.column[judged]),
            rules={rule: values[judged] for rule, values in rules.items()},
            p_values=scored.p_value[judged],
            chosen=chosen[judged],
            discovered=discovered(scored.p_value)[judged],
        ),
        judged=judged,
        unlabelled=int((done & (classes == NO_CLASS)).sum()),
        selection=selection,
        why_none=scored.why_none,
        smallest_p=store.shown.model.smallest_p,
        overlap=overlap,
        patient=patient,
        use=use,
        left_out=count_parts(used[outlined]),
        anchors=len(anchors),
        radius=store.radius,
        tally=annotations.tally,
        known=frozenset(annotations.by_class),
        adapted=scored.adapted is not None and scored.adapted.mode != "none",
    )


def _union(by_class: dict[str, BaseGeometry], reference: Sequence[str], *, inside: bool) -> BaseGeometry:
    return shapely.union_all([region for name, region in by_class.items() if (name in reference) is inside])
