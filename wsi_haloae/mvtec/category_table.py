"""Results of several categories as one table: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from wsi_haloae.atomic import write_text

TABLE_NAMES = ("table.md", "table.json")
_DASH = "-"
HEADINGS = (
    "category",
    "image AUROC",
    "divided by median grey",
    "pixel AUROC",
    "at 128 px",
    "AP",
    "AUPRO@0.3",
    "paper: image",
    "paper: pixel",
    "remarks",
)


def write_table(results: Sequence[Mapping[str, Any]], output: Path) -> Path:
    """Write ``table.md`` and ``table.json`` of what ``mvtec.json`` files hold. Returns the path of the first."""
    markdown, document = (output / name for name in TABLE_NAMES)
    write_text(markdown, markdown_table(results))
    write_text(document, json.dumps(list(results), indent=2) + "\n")
    return markdown


def markdown_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The contents of ``mvtec.json`` files as a table in per cent, with the paper's results beside ours.

    Rows without a model, and baselines if they were run, follow under each category.
    """
    lines = [_line(HEADINGS), _line(["---"] * len(HEADINGS))]
    for result in results:
        lines.append(_line(_our_row(result)))
        lines += [_line(_baseline_row(row)) for row in result["baselines"]]
        lines += [_line(_no_model_row(name, figure)) for name, figure in result["no_model"].items()]
    if len(results) > 1:
        lines.append(_line(_mean_row(results)))
    notes = [
        f"- {result.get('row') or result['data']['name']}: {result['label']}, {_run(result)}." for result in results
    ]
    return "\n".join([*lines, "", *notes, "", *_EXPLANATION, ""])


_EXPLANATION = (
    "In per cent, with 95 % intervals by bootstrap over images, drawn separately for anomalous and reference images.",
    "Indented rows: baselines on the same features, and statistics that need no model. No AUROC is ever flipped: a",
    "statistic near 0 separates the classes as well as one near 100.",
    "AP: average precision of pixels. Divided by median grey: image AUROC if each image is scaled to equal brightness.",
    "Not converged: held-out images are reconstructed worse than by a PCA with as many components (squared residuals).",
    "The paper's results are only context: its weights, images and length of training were different.",
)


def _our_row(result: Mapping[str, Any]) -> list[str]:
    image, pixel, paper = result["image"], result["pixel"], result["paper"]
    bounds = result["intervals"] or {}
    return [
        f"**{result.get('row') or result['data']['name']}**",
        _with_bounds(image["auroc"], image["interval"]),
        _percent(image["median"]),
        _with_bounds(pixel["auroc"], bounds["auroc"]) if pixel else _DASH,
        _percent(pixel["auroc_128"]) if pixel else _DASH,
        _with_bounds(pixel["average_precision"], bounds["average_precision"]) if pixel else _DASH,
        _with_bounds(pixel["aupro"], bounds["aupro"]) if pixel else _DASH,
        _published(paper, "image_auroc"),
        _published(paper, "pixel_auroc"),
        _remarks(result),
    ]


def _remarks(result: Mapping[str, Any]) -> str:
    remarks = []
    if result["decided_by"]:
        remarks.append(f"**decided without a model, by {' and '.join(result['decided_by'])}**")
    convergence = result["convergence"]
    if convergence and not convergence["converged"]:
        remarks.append(
            f"not converged: held-out residual {convergence['held_out']:.3f}, "
            f"PCA-{convergence['components']} {convergence['pca']:.3f}"
        )
    compared = result["against_pca"]
    if compared:
        higher = compared["average_precision"]["ours_higher"]
        remarks.append(f"AP above PCA's in {100 * higher:.0f} % of draws")
    return "; ".join(remarks)


def _baseline_row(row: Mapping[str, Any]) -> list[str]:
    pixel = row["pixel"]
    figures = [_percent(pixel[key]) if pixel else _DASH for key in ("auroc", "auroc_128", "average_precision", "aupro")]
    return [f"&emsp;{row['name']}", _percent(row["image_auroc"]), _DASH, *figures, _DASH, _DASH, ""]


def _no_model_row(name: str, figure: float) -> list[str]:
    return [f"&emsp;no model: {name}", _percent(figure), *[_DASH] * 7, ""]


def _mean_row(results: Sequence[Mapping[str, Any]]) -> list[str]:
    pixels = [result["pixel"] for result in results]
    figures = [
        _percent(mean(pixel[key] for pixel in pixels)) if all(pixels) else _DASH
        for key in ("auroc", "auroc_128", "average_precision", "aupro")
    ]
    images = [_percent(mean(result["image"][key] for result in results)) for key in ("auroc", "median")]
    return [f"mean of {len(results)}", *images, *figures, _DASH, _DASH, ""]


def _run(result: Mapping[str, Any]) -> str:
    data = result["data"]
    return (
        f"{result['steps']} steps, seed {result['seed']}, {data['train']} training and {data['validation']} held-out "
        f"images, {data['reference']} reference and {data['anomalous']} anomalous test images, score: {result['rule']}"
        + ("; **every image divided by its median grey**" if result["normalise"] == "median" else "")
    )


def _published(paper: Mapping[str, Any] | None, key: str) -> str:
    return _DASH if paper is None or paper[key] is None else f"{paper[key]:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _with_bounds(share: float, bounds: Mapping[str, float]) -> str:
    return f"{_percent(share)} ({_percent(bounds['low'])}-{_percent(bounds['high'])})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
