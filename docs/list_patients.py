"""Write the table of patients in what-a-score-means.md anew by the code that calibrates: ``docs/list_patients.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.planning import ASSUMED, expected
from wsi_haloae.calibration.reach import TILE_RATE, told_apart
from wsi_haloae.calibration.selection import select_tiles
from wsi_haloae.calibration.true_rate import true_rate
from wsi_haloae.config import SLIDE_BASE, SplitConfig, load_config
from wsi_haloae.training.outlook import describe_outlook, measured_sizes
from wsi_haloae.training.split import Split, split_by_group

PAGE = Path(__file__).with_name("what-a-score-means.md")
BEGIN, END = "<!-- patients: written by docs/list_patients.py -->\n", "<!-- end of patients -->\n"
PATIENTS = (5, 10, 20, 40, 100, 1000)
SHOWN = 40
TILES = 100
"""Of each patient."""


def patient_list() -> str:
    """A Markdown table, and what training prints; where the two assumed correlations differ, a cell has both."""
    lines = [
        f"| patients | smallest p-value | tiles are called at | true share at p ≤ {TILE_RATE:g} | by other rules |",
        "|---|---|---|---|---|",
        *(_row(patients) for patients in PATIENTS),
    ]
    lines += ["", f"`train-tiles` prints this for {SHOWN} of them:", "", "```", *_outlook(), "```"]
    return "\n".join(lines) + "\n"


def with_patient_list(page: str) -> str:
    """The page with the table of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + patient_list() + END + rest.partition(END)[2]


def _split(patients: int) -> tuple[Split, list[str]]:
    names = [str(patient) for patient in range(patients) for _ in range(TILES)]
    return split_by_group(names, SplitConfig(), seed=0), names


def _outlook() -> list[str]:
    split, names = _split(SHOWN)
    return list(describe_outlook(split, names, _alone(names), load_config([], [], base=SLIDE_BASE)))


def _alone(names: list[str]) -> list[str]:
    """Blocks of one tile each."""
    return [f"{name} {number}" for number, name in enumerate(names)]


def _row(patients: int) -> str:
    split, names = _split(patients)
    held_back = np.full(len(split.groups["calibration"]), TILES, np.int64)
    both = [expected(measured_sizes(names, _alone(names)), correlation) for correlation in ASSUMED]
    cells = [
        [told_apart(one.smallest_p, TILE_RATE) for one in both],
        [_called_at(one) for one in both],
        [str(true_rate(one.effective_tiles) or "-") for one in both],
        [_called_at(expected(held_back, correlation)) for correlation in ASSUMED],
    ]
    words = [" / ".join(dict.fromkeys(cell)) for cell in cells]
    return f"| {patients:,} | {' | '.join(words)} |"


def _called_at(calibration: CalibrationFacts) -> str:
    found = select_tiles(np.ones(1, np.float32), calibration.smallest_p)
    return "nothing" if found is None else found.phrase


if __name__ == "__main__":
    PAGE.write_text(with_patient_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
