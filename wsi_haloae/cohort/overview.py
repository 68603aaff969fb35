"""What compares the slides of a folder is written again after each run, if there is more than one slide."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.cohort.status import gather
from wsi_haloae.progress import Reporter
from wsi_haloae.workspace.lock import taking_turns


def write_cohort(output: Path, reporter: Reporter) -> None:
    """Write cohort.html, slides.csv and montage.png; write nothing for a folder with a single slide."""
    with taking_turns(output):
        rows = gather(output)
        if len(rows) > 1:
            from wsi_haloae.cohort.compared_slides import write_comparison  # noqa: PLC0415  # loads Matplotlib

            write_comparison(output, rows, reporter)
