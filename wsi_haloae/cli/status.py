"""``wsi-haloae status``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.quoting import printable


@click.command()
@click.argument("scored", type=PathArgument(exists=True, file_okay=False), metavar="OUT")
def status(scored: Path) -> None:
    """Print how many slides in OUT are done, running or failed. Works while 'score' runs, and afterwards.

    Slides that failed do not change its exit code: that of 'score' says whether any did.
    """
    from wsi_haloae.cohort.status import describe

    for line in describe(scored):
        options.say(printable(line))
