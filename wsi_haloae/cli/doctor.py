"""``wsi-haloae doctor``."""

from __future__ import annotations

import textwrap

import click

from wsi_haloae.cli import options
from wsi_haloae.quoting import printable

NAME_WIDTH, WIDTH = 12, 100


@click.command()
def doctor() -> int:
    """Check the installation.

    Prints what a report of a problem should contain: versions, the libraries that read slides,
    devices, memory and disk. Then it tiles, trains on and scores a synthetic slide, which takes some
    seconds and no network. It does not name you, your machine or your folders, unless an error
    message does. The exit code is 1 if something is broken.
    """
    from wsi_haloae.runs.doctor import examine

    broken = []
    for finding in examine():
        words = printable(f"BROKEN: {finding.words}" if finding.broken else finding.words)
        name, indent = f"{finding.name:<{NAME_WIDTH}}", " " * NAME_WIDTH
        options.say(textwrap.fill(words, WIDTH, initial_indent=name, subsequent_indent=indent, break_on_hyphens=False))
        if finding.broken:
            broken.append(finding.name)
    options.say(f"broken: {', '.join(broken)}" if broken else "everything works")
    return 1 if broken else 0
