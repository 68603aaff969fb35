"""cohort.html, slides.csv and montage.png: the slides of a folder compared with each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wsi_haloae.atomic import write_text
from wsi_haloae.cohort import montage, slides
from wsi_haloae.cohort.compare import SMALLEST_STUDY, Difference, GroupValues, differences, group_values
from wsi_haloae.cohort.montage import write_montage
from wsi_haloae.cohort.slides import StudySlide, comparable, read_slides, write_slides
from wsi_haloae.cohort.table import Row
from wsi_haloae.figures.saving import save_figure
from wsi_haloae.pages import write_page
from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.study_files import StudyFile

TEMPLATE = "cohort/cohort.html.jinja"
COMPARISON, PLOT = StudyFile.COMPARISON, StudyFile.COMPARISON_PLOT
CALIBRATED, ELSE = "p_below", "above_display"
MEASURES = {
    CALIBRATED: "share of the tissue in tiles with p \N{LESS-THAN OR EQUAL TO} 0.05",
    ELSE: "share of the tissue above the colour bar",
}


def write_comparison(output: Path, rows: Sequence[Row], reporter: Reporter) -> None:
    """Write all three from the run records of the slides in ``rows``."""
    found = read_slides(output, rows)
    write_slides(output / slides.NAME, found)
    compared = comparable(found, reporter)
    measure = CALIBRATED if all(slide.p_below is not None for slide in compared) else ELSE
    groups = group_values(compared, measure)
    pairs = differences(groups)
    reasons = _reasons(compared)
    _write_comparison(output, measure, reasons, groups, pairs)
    if compared:
        outlined = [montage.OUTLINED] if any(slide.anomalous for slide in compared) else []
        write_montage(output / montage.NAME, output, compared, _display_range(compared), [*outlined, *reasons])
    write_page(
        output / StudyFile.COHORT_PAGE,
        TEMPLATE,
        slides=found,
        montage=(output / montage.NAME).read_bytes() if compared else None,
        measure=MEASURES[measure],
        by_p_value=measure == CALIBRATED,
        reasons=reasons,
        groups=groups,
        pairs=pairs,
        plot=(output / PLOT).read_bytes() if groups else None,
        small=min((len(group.values) for group in groups), default=0) < SMALLEST_STUDY,
        by_patient=any(slide.patient for slide in compared),
        left_out=[slide.name for slide in found if slide.group and slide not in compared],
        scored_alike=len({slide.model for slide in found if slide.model}) < 2
        and len({slide.stride for slide in found if slide.stride}) < 2,
        in_two=_in_two_groups(compared),
        trained=[slide.name for slide in found if slide.trained],
    )


def _reasons(compared: Sequence[StudySlide]) -> list[str]:
    """The reasons why no tile can be called at an error rate, each once."""
    return sorted({slide.why_none for slide in compared if slide.why_none})


def _in_two_groups(compared: Sequence[StudySlide]) -> list[str]:
    """Patients with slides in more than one group."""
    groups: dict[str, set[str]] = {}
    for slide in compared:
        if slide.patient and slide.group:
            groups.setdefault(slide.patient, set()).add(slide.group)
    return sorted(patient for patient, own in groups.items() if len(own) > 1)


def _display_range(compared: Sequence[StudySlide]) -> tuple[float, float] | None:
    low, high = compared[0].display_low, compared[0].display_high
    return None if low is None or high is None else (low, high)


def _write_comparison(
    output: Path, measure: str, reasons: Sequence[str], groups: Sequence[GroupValues], pairs: Sequence[Difference]
) -> None:
    """Write comparison.json and .png, or remove older ones if there are no groups any more."""
    if not groups:
        for name in (COMPARISON, PLOT):
            (output / name).unlink(missing_ok=True)
        return
    comparison = {
        "measure": measure,
        "why_none": " ".join(reasons) or None,
        "groups": [{**asdict(group), "values": group.values.tolist()} for group in groups],
        "differences": [asdict(pair) for pair in pairs],
    }
    write_text(output / COMPARISON, json.dumps(comparison, indent=2, ensure_ascii=False) + "\n")
    save_figure(_figure(measure, groups), output / PLOT)


def _figure(measure: str, groups: Sequence[GroupValues]) -> Figure:
    """A figure with every patient as a dot, and the mean with its interval beside them."""
    figure = Figure(figsize=(1.6 + 1.5 * len(groups), 3.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    random = np.random.default_rng(0)
    for place, group in enumerate(groups):
        spread = random.uniform(-0.12, 0.12, len(group.values))
        axes.scatter(place + spread, group.values, s=18, color="#4575b4", alpha=0.7, linewidths=0)
        if group.interval is not None:
            axes.vlines(place + 0.25, group.interval.low, group.interval.high, color="#1d2733", lw=2)
        axes.plot(place + 0.25, group.mean, "o", ms=6, color="#1d2733")
    if measure == CALIBRATED:
        axes.axhline(0.05, color="#999999", lw=1, ls=":")
    axes.set_xticks(range(len(groups)), [f"{group.name}\n({len(group.values)})" for group in groups])
    axes.set_xlim(-0.5, len(groups) - 0.3)
    axes.set_ylim(0, 1.08 * max(float(group.values.max()) for group in groups) or 1)
    axes.set_ylabel(MEASURES[measure].replace(" in tiles", "\nin tiles"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure
