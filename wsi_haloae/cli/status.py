"""``wsi-haloae status``."""

from __future__ import annotations

from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.quoting import printable


@click.command()
@click.argument("scored", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="OUT")
def status(scored: Path) -> None:
    """Say how far the slides in OUT are: from its files alone, while 'score' is at work or after.

    Exit code 0 whatever became of them: that of 'score' tells whether some failed.
    """
    from wsi_haloae.cohort.status import describe

    for line in describe(scored):
        options.say(printable(line))
