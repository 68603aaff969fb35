"""Draws the pictures of one category from its evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import map_title
from wsi_haloae.evaluation.pixel_figures import SIZE
from wsi_haloae.mvtec.category import CategoryImages, Judged
from wsi_haloae.mvtec.category_pictures import (
    CurveInput,
    SheetColumn,
    choose_for_sheet,
    write_curves,
    write_defect_scores,
    write_sheet,
)
from wsi_haloae.mvtec.image_reading import read_mask
from wsi_haloae.mvtec.image_set import LabelledImage
from wsi_haloae.scoring.image_scorer import ImageScores


def write_pictures(folder: Path, category: CategoryImages, judged: Judged, rule: str) -> None:
    """``sheet.png``, ``defects.png`` and ``curves.png``; ``rule`` is the name of the one that scored."""
    images = category.images
    write_defect_scores(folder / "defects.png", category.defects, judged.scores.score, judged.result.rule)
    maps = judged.scores.pixels(SIZE)
    columns = [
        SheetColumn(
            f"{image.defect}\n{image.path.name}",
            category.test.read(number),
            maps[number],
            _mask(image),
        )
        for number, image in ((n, images.test[n]) for n in choose_for_sheet(category.defects, images.has_mask))
    ]
    write_sheet(folder / "sheet.png", columns, judged.validation_top, map_title(rule))
    methods = {"HaloAE": judged.scores} | {one.name: one.scores for one in judged.baselines}
    write_curves(
        folder / "curves.png",
        {name: _curve_input(scores, category, judged) for name, scores in methods.items()},
        images.anomalous,
        judged.masks.full.ravel() if judged.masks else None,
    )


def _mask(image: LabelledImage) -> NDArray[np.bool_] | None:
    if image.masks:
        return read_mask(image.masks, SIZE)
    return None if image.anomalous else np.zeros((SIZE, SIZE), np.bool_)


def _curve_input(scores: ImageScores, category: CategoryImages, judged: Judged) -> CurveInput:
    pixels = scores.pixels(SIZE)[category.images.has_mask].ravel() if judged.masks else None
    return CurveInput(scores.score, pixels)
