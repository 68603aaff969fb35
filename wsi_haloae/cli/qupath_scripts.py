"""``wsi-haloae qupath-scripts``."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which

import click

from wsi_haloae.cli import options


@click.command()
@options.output_folder
def qupath_scripts(output: Path) -> None:
    """Write two scripts with which QuPath trains and scores.

    No terminal is needed then. score_this_slide.groovy scores the slide that is open;
    train_here.groovy trains on the outlines of a project. Drag them onto QuPath's window, or write
    them into the folder that its menu "Automate" lists. They start this installation of wsi-haloae;
    run the command again if it moves.
    """
    from wsi_haloae.export.qupath_scripts import write_command_scripts

    for path in write_command_scripts(output, _own_executable()):
        options.say(str(path))


def _own_executable() -> Path | None:
    """The program that this command is, whatever the working folder; None if Python was started without it."""
    found = which("wsi-haloae", path=str(Path(sys.executable).parent))
    return None if found is None else Path(found).absolute()
