"""``wsi-haloae verify``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import printable_lines


@click.command()
@click.argument("path", type=PathArgument(exists=True), metavar="OUT|MODEL|TILES")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document per store or model, a line each.")
@click.pass_obj
def verify(reporter: Reporter, path: Path, *, as_json: bool) -> int:
    """Look for damage in the stores and models at a path.

    Every byte is read and compared with the checksums. Nothing is changed. The exit code is 1 if
    anything is damaged; the lines name what, and say what to do.
    """
    from wsi_haloae.runs.verify import verify as run

    damaged = False
    for verdict in run(path, reporter):
        damaged |= verdict.state == "damaged"
        document = {"path": str(verdict.path), "state": verdict.state, "damage": verdict.damage}
        options.say(json.dumps(document) if as_json else printable_lines(str(verdict)))
    return int(damaged)
