"""The scores of one category: one row per test image, and the figures in one line."""

from __future__ import annotations

import csv
from pathlib import Path

from wsi_haloae.atomic import replacing
from wsi_haloae.mvtec.category import CategoryImages, Judged
from wsi_haloae.quoting import printable, safe_cell


def write_scores(path: Path, category: CategoryImages, judged: Judged) -> None:
    """``scores.csv``: one row per test image."""
    columns = {"score": judged.scores.score} | {one.name: one.scores.score for one in judged.baselines}
    if judged.residuals.damaged is not None:
        columns["P(damaged)"] = judged.residuals.damaged
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "defect", "mask", *columns])
        for number, image in enumerate(category.images.test):
            words = (category.test.groups[number], image.defect, ", ".join(mask.name for mask in image.masks))
            values = [f"{values[number]:.6g}" for values in columns.values()]
            writer.writerow([*(safe_cell(printable(word)) for word in words), *values])


def summary_line(judged: Judged) -> str:
    """Image and pixel figures in per cent."""
    result = judged.result
    text = f"{result.data.name}: image AUROC {100 * result.image.auroc:.1f}"
    if result.pixel:
        text += f", pixel AUROC {100 * result.pixel.auroc:.1f}, AP {100 * result.pixel.average_precision:.1f}"
    if result.decided_by:
        text += f"; beware: decided without a model, by {' and '.join(result.decided_by)}"
    return text
