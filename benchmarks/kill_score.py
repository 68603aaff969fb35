"""`score` killed at random moments: whether a rerun gives the bytes of an undisturbed run, and what a kill costs.

    python benchmarks/kill_score.py --kills 20

A synthetic slide of about 1,400 tiles and a model trained for a few steps are made first. Each kill prints one line:
when it was, and which outputs existed. The row at the end counts files that differ (none), and shards scored again.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import click
from forked import COMMAND, start
from killing import count_shards, kill_and_compare
from machine import print_row
from scene import make_model, make_slide

SIDE, TILE = 2560, 64


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Seed of the random moments.")
@click.option("--side", default=SIDE, show_default=True, help="Side of the slide, in pixels.")
@click.option("--keep-tiles", is_flag=True, help="Pass the pixels through the tile store.")
def main(kills: int, seed: int, side: int, *, keep_tiles: bool) -> None:
    """Kill, rerun, compare; exit code 1 if a byte differs or a kill cost more than one shard's scoring."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide, model = make_slide(folder, side), make_model(folder, TILE)
        more = ["--keep-tiles"] if keep_tiles else []

        def score(output: Path) -> BaseProcess:
            arguments = ["score", slide, "--model", model, "-o", output, "-q", "-n", "2", *more]
            counting = partial(count_shards, output.with_suffix(".count"))
            return start(COMMAND, *arguments, said=output.with_suffix(".txt"), before=[counting])

        row = kill_and_compare(score, folder, kills, seed)
    print_row("kill", keep_tiles=keep_tiles, **row)
    sys.exit(bool(row["differing"]) or row["shards_scored_again"] > kills)


if __name__ == "__main__":
    main()
