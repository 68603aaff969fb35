"""The picture of the decoder study: how far each row lies above or below the best rival, set by set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wsi_haloae.experiments.decoder.rows import ROWS
from wsi_haloae.experiments.decoder.table import SCORES, Result, difference
from wsi_haloae.figures.saving import save_figure

COLOURS = dict(zip(SCORES, ("tab:orange", "tab:red", "tab:blue", "tab:cyan", "tab:green"), strict=True))


def write_differences(path: Path, output: Path, found: Sequence[Result]) -> None:
    """A panel for each backbone and set, a line for each row: AUROC minus the best rival's, with 95 % intervals."""
    done = [one for one in found if "judgement" in one]
    places = list(dict.fromkeys((str(one["backbone"]), str(one["set"])) for one in done))
    figure = Figure(figsize=(2.2 + 2.6 * len(places), 1.2 + 0.4 * len(ROWS)), layout="constrained")
    panels = figure.subplots(1, len(places), sharey=True, squeeze=False)[0]
    for axes, (backbone, tiles) in zip(panels, places, strict=True):
        here = [one for one in done if (one["backbone"], one["set"]) == (backbone, tiles)]
        _draw(axes, output, here)
        axes.set(title=f"{tiles}\n{backbone}", xlabel="AUROC above the best rival's")
    panels[0].set_yticks(range(len(ROWS)), [row.name for row in ROWS])
    panels[0].set_ylim(len(ROWS) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(SCORES), frameon=False)
    save_figure(figure, path)


def _draw(axes: Axes, output: Path, here: Sequence[Result]) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(axis="x", alpha=0.3)
    for shift, score in enumerate(SCORES, -2):
        for place, row in enumerate(ROWS):
            of_row = [one for one in here if one["row"] == row.name]
            if not of_row:
                continue
            one = difference(output, of_row, score)
            reach = [[one.value - one.interval.low], [one.interval.high - one.value]]
            axes.errorbar(one.value, place + 0.15 * shift, xerr=reach, fmt="o", markersize=4, color=COLOURS[score])
        axes.plot([], [], "o", color=COLOURS[score], label=score)
