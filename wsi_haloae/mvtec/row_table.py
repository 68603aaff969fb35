"""Rows of an experiment as one table: one line per variation, one group of columns per category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from wsi_haloae.mvtec.paper_figures import Published


@dataclass(frozen=True)
class RowResults:
    """A row's name, the contents of its ``mvtec.json`` files by category, and the paper's results, if any."""

    name: str
    categories: Mapping[str, Mapping[str, Any]]
    paper: Published | None

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``table.json``."""
        return {
            "row": self.name,
            "paper": self.paper._asdict() if self.paper else None,
            "categories": dict(self.categories),
        }


def markdown_rows(title: str, rows: Sequence[RowResults]) -> str:
    """One line per row: image AUROC, pixel AUROC and average precision of each category, in per cent."""
    names = list(dict.fromkeys(name for row in rows for name in row.categories))
    figures = [f"{name}: {figure}" for name in names for figure in ("image", "pixel", "AP")]
    heading = ["row", *figures, "mean image", "mean pixel", "paper: image", "paper: pixel", "remarks"]
    lines = [f"# {title}", "", _line(heading), _line(["---"] * len(heading))]
    lines += [_line(_row(row, names)) for row in rows]
    conditions = dict.fromkeys(_conditions(result) for row in rows for result in row.categories.values())
    return "\n".join([*lines, "", *(f"- {text}" for text in conditions), "", *_EXPLANATION, ""])


def markdown_variants(title: str, categories: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Published]) -> str:
    """Table S2: one model per category, scored in every way."""
    names = list(categories)
    heading = ["score", *(f"{name}: {figure}" for name in names for figure in ("image", "by max", "pixel", "AP"))]
    lines = [f"# {title}", "", _line([*heading, "paper: image", "paper: pixel"]), _line(["---"] * (len(heading) + 2))]
    by_name = [{row["name"]: row for row in result["variants"]} for result in categories.values()]
    keys = ("image_auroc", "image_auroc_max", "pixel_auroc", "average_precision")
    for score in by_name[0]:
        cells = [_percent(rows[score][key]) for rows in by_name for key in keys]
        published = paper.get(score) or paper.get(f"{score}, mean")
        lines.append(_line([score, *cells, *_published(published)]))
    return "\n".join([*lines, "", *_EXPLANATION, ""])


_EXPLANATION = (
    "In per cent. The paper's results are means over 15 categories, with other weights and a longer training: context.",
    "A row has not converged if its held-out residual is above that of PCA with as many components as its code.",
)


def _row(row: RowResults, names: Sequence[str]) -> list[str]:
    found = [row.categories.get(name) for name in names]
    cells = [cell for result in found for cell in _figures(result)]
    there = [result for result in found if result]
    pixels = [result["pixel"]["auroc"] for result in there if result["pixel"]]
    means = [
        _percent(mean(result["image"]["auroc"] for result in there)) if there else "-",
        _percent(mean(pixels)) if pixels and len(pixels) == len(there) else "-",
    ]
    return [row.name, *cells, *means, *_published(row.paper), _remarks(row.categories)]


def _figures(result: Mapping[str, Any] | None) -> list[str]:
    if result is None:
        return ["-"] * 3
    pixel = result["pixel"]
    return [
        _percent(result["image"]["auroc"]),
        _percent(pixel["auroc"] if pixel else None),
        _percent(pixel["average_precision"] if pixel else None),
    ]


def _remarks(categories: Mapping[str, Mapping[str, Any]]) -> str:
    """Where the row has not converged, and where a statistic without a model separates the classes."""
    remarks = []
    for name, result in categories.items():
        convergence = result["convergence"]
        if convergence and not convergence["converged"]:
            remarks.append(f"{name} not converged ({convergence['held_out']:.3f}, PCA {convergence['pca']:.3f})")
    return "; ".join(remarks)


def _conditions(result: Mapping[str, Any]) -> str:
    data = result["data"]
    text = f"{data['name']}: {result['label']}; {result['steps']} steps, seed {result['seed']}"
    if result["decided_by"]:
        text += f"; decided without a model, by {' and '.join(result['decided_by'])}"
    return text


def _published(figures: Published | None) -> list[str]:
    return ["-" if value is None else f"{value:.1f}" for value in (figures or Published(None, None))]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
