"""The curve of limits: what a wider code, a longer training and other features are worth, beside the best rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wsi_haloae.experiments.decoder.judgement import FIXED
from wsi_haloae.experiments.decoder.rows import CODE_WIDTHS, LENGTHS, DecoderRow
from wsi_haloae.figures.saving import save_figure

Result = Mapping[str, Any]
Place = tuple[str, str]
"""A set and a backbone."""
MAP = "cosine"
"""The map that the rows of the curve make small in training."""
CURVES = {"channels of the code": CODE_WIDTHS, "steps of the training": LENGTHS}
SEED = 0


def has_limits(found: Sequence[Result]) -> bool:
    """Whether any set has two points of one curve."""
    return bool(_places([one for one in found if "judgement" in one]))


def _places(done: Sequence[Result]) -> list[Place]:
    """The sets with two points of one curve or more."""
    points = {(str(one["set"]), str(one["backbone"]), one["row"]) for one in done}
    return [
        place
        for place in sorted({(tiles, backbone) for tiles, backbone, _row in points})
        if any(sum((*place, row.name) in points for row in rows.values()) > 1 for rows in CURVES.values())
    ]


def write_limits(path: Path, found: Sequence[Result]) -> None:
    """AUROC of the fixed rule above, average precision of the map below; the best rival's are dotted."""
    done = [one for one in found if "judgement" in one and one["seed"] == SEED]
    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, len(CURVES), sharex="col", sharey="row")
    for column, (label, rows) in enumerate(CURVES.items()):
        upper, lower = panels[:, column]
        _draw(upper, done, rows, _area, _rival_area)
        _draw(lower, done, rows, _precision, _rival_precision)
        lower.set_xscale("log", base=2 if rows is CODE_WIDTHS else 10)
        lower.set_xticks(list(rows), [f"{value:,}" for value in rows])
        lower.minorticks_off()
        lower.set_xlabel(label)
    panels[0, 0].set_ylabel("AUROC")
    panels[1, 0].set_ylabel("average precision of the map")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)


def _draw(axes: Axes, done: Sequence[Result], rows: Mapping[int, DecoderRow], value: Any, rival: Any) -> None:
    axes.grid(alpha=0.3)
    for number, (tiles, backbone) in enumerate(_places(done)):
        here = {one["row"]: one for one in done if (one["set"], one["backbone"]) == (tiles, backbone)}
        points = {x: here[row.name] for x, row in rows.items() if row.name in here}
        values = {x: value(one) for x, one in points.items() if value(one) is not None}
        if not values:
            continue
        colour = f"C{number}"
        axes.plot(list(values), list(values.values()), "o-", color=colour, label=f"{tiles}, {backbone}")
        axes.axhline(rival(next(iter(points.values()))), color=colour, linestyle=":", linewidth=1)


def _area(one: Result) -> float:
    return float(one["judgement"]["against"][FIXED]["auroc"])


def _rival_area(one: Result) -> float:
    return float(one["judgement"]["against"][FIXED]["rival_auroc"])


def _precision(one: Result) -> float | None:
    """None where tiles have no masks."""
    found = one["judgement"]["map_precisions"].get(MAP)
    return None if found is None else float(found)


def _rival_precision(one: Result) -> float:
    return float(max(one["judgement"]["maps"]["rivals"].values()))
