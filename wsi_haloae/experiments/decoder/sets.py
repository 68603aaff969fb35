"""The sets of the decoder study: reference tiles to train on and to hold out, and labelled tiles to judge by.

MVTec's screw and metal_nut, GlaS in colour and in grey, lung in grey, and the livers of two patients. The split is the
same for every seed, so that features are computed once, and differences between seeds are those of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, SplitConfig, TissueConfig, load_config
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.evaluation.tile_labels import block_names
from wsi_haloae.experiments.colourings import Colouring
from wsi_haloae.experiments.histology import prepare
from wsi_haloae.experiments.histology_sets import HISTOLOGY_SETS
from wsi_haloae.experiments.next_patient import Tissue
from wsi_haloae.experiments.real_slides import SLIDES
from wsi_haloae.mvtec.category import CategoryImages
from wsi_haloae.mvtec.image_set import find_mvtec
from wsi_haloae.progress import Reporter
from wsi_haloae.tiles.reference import ReferenceOptions, ReferenceReader
from wsi_haloae.tiles.sources import TileSource, TileStoreSource
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.training.split import Split, split_by_group

SPLIT_SEED = 0
IMAGE_SHARES = SplitConfig(validation=0.1, calibration=0.1)
"""There are few images, each of them a group."""
MARKED = {**dict.fromkeys(("p08", "p12", "p14", "p16"), "validation"), "p06": "calibration"}
"""GlaS: the four patients with 2 to 4 tiles each validate, and the one with 24 gives the synthetic mark."""
GREY = ("training.stain_jitter=0", "scoring.glass_level=null")
"""Grey tiles with equal means have no stains to vary and no bright glass."""


@dataclass(frozen=True, eq=False)
class DefectMasks:
    """Which of the judged images are marked pixel by pixel, (t,), and their k masks, (k, s, s), in that order."""

    known: NDArray[np.bool_]
    masks: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class StudySet:
    """One question: tiles of ``source`` in the parts of a split, and t ``judged`` tiles with their labels.

    *validation* tiles stop the training and teach rules, as always; *calibration* tiles give the synthetic mark.
    ``groups`` (t,) are what the bootstrap draws. ``base`` and ``settings`` are applied before those of a row.
    ``local`` says that anomalies are small parts of an image, so that an image is as anomalous as its worst part.
    """

    name: str
    source: TileSource
    split: Split
    judged: TileSource
    anomalous: NDArray[np.bool_]
    groups: NDArray[np.str_]
    base: str = SLIDE_BASE
    settings: tuple[str, ...] = ()
    local: bool = False
    defects: DefectMasks | None = None


@dataclass(frozen=True)
class StudyData:
    """Where the data lie (mvtec/, tiles/ and wsi/), and where slides are tiled."""

    root: Path
    work: Path
    reporter: Reporter


def _mvtec(category: str, name: str, data: StudyData) -> StudySet:
    images = CategoryImages.open(find_mvtec(data.root / "mvtec", category), "none", SPLIT_SEED)
    source, masks = images.data.source, images.masks()
    return StudySet(
        name,
        source,
        split_by_group(source.groups, IMAGE_SHARES, SPLIT_SEED),
        images.test,
        images.images.anomalous,
        np.asarray(images.test.groups),
        base=MVTEC_BASE,
        local=True,
        defects=DefectMasks(images.images.has_mask, masks.full) if masks else None,
    )


def _histology(tiles: str, colouring: Colouring, name: str, data: StudyData) -> StudySet:
    settings = () if colouring == "colour" else GREY
    config = load_config("haloae-small", [*settings, f"training.seed={SPLIT_SEED}"], base=SLIDE_BASE)
    chosen = HISTOLOGY_SETS[tiles]
    if chosen.fixed:
        chosen = replace(chosen, fixed={**chosen.fixed, **MARKED})
    found = prepare(data.root / "tiles", chosen, colouring, config)
    labelled = found.labelled
    groups = np.asarray(labelled.source.groups)
    return StudySet(name, found.source, found.split, labelled.source, labelled.anomalous, groups, settings=settings)


def _liver(reference: Tissue, usual: Tissue, anomalous: Tissue, name: str, data: StudyData) -> StudySet:
    """Trained on one patient's tissue, judged on another's; blocks of tiles stand in for patients."""
    source = _outlined(reference, data)
    split = split_by_group(source.blocks, SplitConfig(), SPLIT_SEED)
    parts = [_outlined(tissue, data) for tissue in (usual, anomalous)]
    labelled = LabelledSource.of({usual[1]: parts[0]}, {anomalous[1]: parts[1]})
    groups = np.concatenate([block_names(usual[0], part.index.row, part.index.column) for part in parts])
    return StudySet(name, source, split, labelled.source, labelled.anomalous, groups)


def _outlined(tissue: Tissue, data: StudyData) -> TileStoreSource:
    """The tiles of one class on one patient's slide; they are cut on first use."""
    patient, name = tissue
    slide = data.root / "wsi" / f"{SLIDES[patient]}.tiff"
    asked = ReferenceOptions(
        TilingSettings(), annotations=slide.with_suffix(".geojson"), class_name=name, num_workers=1
    )
    reader = ReferenceReader(asked, TissueConfig(), data.work / f"{patient}-{name}".lower(), data.reporter)
    (source,) = reader.read([str(slide)]).parts
    assert isinstance(source, TileStoreSource), "annotated slides become tile stores"
    return source


SETS: Mapping[str, Callable[[str, StudyData], StudySet]] = {
    "metal_nut": partial(_mvtec, "metal_nut"),
    "screw": partial(_mvtec, "screw"),
    "glas-colour": partial(_histology, "glas", "colour"),
    "glas-grey": partial(_histology, "glas", "grey"),
    "lung-grey": partial(_histology, "lung", "grey"),
    "liver-b": partial(_liver, ("B", "Liver"), ("A", "Liver"), ("A", "Tumor")),
    "liver-a": partial(_liver, ("A", "Liver"), ("B", "Liver"), ("B", "Hemangioma")),
}


def open_set(name: str, data: StudyData) -> StudySet:
    """The set of this name; `UsageError` if its files are not there."""
    if not data.root.is_dir():
        raise UsageError(f"{data.root}: no such folder. Give the folder that contains mvtec/, tiles/ and wsi/.")
    return SETS[name](name, data)
