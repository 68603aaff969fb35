"""The files that belong to no single slide: the index, and QuPath's scripts for a whole project."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.export.qupath_scripts import write_project_scripts
from wsi_haloae.export.slide_index import write_index
from wsi_haloae.workspace.lock import taking_turns


def write_overview(output: Path, *, scored: bool) -> None:
    """Write them into ``output``, the folder of all slides; the scripts only if a slide was ``scored``."""
    if scored:
        with taking_turns(output):
            write_project_scripts(output)
    write_index(output)
