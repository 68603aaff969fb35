"""``wsi-haloae doctor``."""

from __future__ import annotations

import click

from wsi_haloae.cli import options
from wsi_haloae.quoting import printable

NAME_WIDTH, WIDTH = 12, 100


@click.command()
def doctor() -> int:
    """Check the installation, and print what a report of a problem should contain.

    Prints versions, the libraries that read slides, devices, memory and disk; then tiles, trains on
    and scores a synthetic slide, which takes some seconds and no network. Nothing in it names you,
    your machine or your folders. The exit code is 1 if something is broken.
    """
    from wsi_haloae.runs.doctor import examine

    broken = []
    for finding in examine():
        indent = " " * NAME_WIDTH
        words = printable(f"BROKEN: {finding.words}" if finding.broken else finding.words)
        options.say(click.wrap_text(words, WIDTH, f"{finding.name:<{NAME_WIDTH}}", indent))
        if finding.broken:
            broken.append(finding.name)
    options.say(f"broken: {', '.join(broken)}" if broken else "everything works")
    return 1 if broken else 0
