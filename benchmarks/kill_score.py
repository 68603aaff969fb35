"""`score` killed at random moments: does a rerun end with the bytes of a quiet run, and what does a kill cost.

    python benchmarks/kill_score.py --kills 20

A synthetic slide of some 1,400 tiles and a model of a few steps are made first. Each kill is one line: when, and what
there was of the outputs. The row at the end counts files that differ (none), and shards that were scored again.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import click
from machine import print_row
from scene import make_model, make_slide

from wsi_haloae.cli.main import run
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.stores.score_store import TileScores

SIDE, TILE = 2560, 64
STAGES = ("tiles.zarr", "scores.zarr", "scores.zarr/state/c", "preview.png", "tiles.csv", "heatmap.ome.tif")
"""In the order in which a run makes them."""


def counting_run(arguments: list[str], counts: Path) -> None:
    """The command line in a process of its own; every shard that is scored leaves a byte."""
    plain = Scorer.score

    def counted(scorer: Scorer, *tiles: Any, **options: Any) -> TileScores:
        with counts.open("a") as stream:
            stream.write("x")
        return plain(scorer, *tiles, **options)

    Scorer.score = counted  # type: ignore[method-assign]
    sys.exit(run(arguments))


def digests(folder: Path) -> dict[str, str]:
    """Every output but the record, by its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
@click.option("--side", default=SIDE, show_default=True, help="Of the slide, in pixels.")
@click.option("--keep-tiles", is_flag=True, help="Pass the pixels through the tile store.")
def main(kills: int, seed: int, side: int, *, keep_tiles: bool) -> None:
    """Kill, rerun, compare; exit code 1 where a byte differs or a kill cost more than one shard's scoring."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["wsi_haloae.cli.main", "wsi_haloae.runs.score"])  # no time for imports
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide, model = make_slide(folder, side), make_model(folder, TILE)

        def start(output: str) -> BaseProcess:
            arguments = ["score", str(slide), "--model", str(model), "-o", str(folder / output), "-q", "-n", "2"]
            arguments += ["--keep-tiles"] if keep_tiles else []
            process = context.Process(target=counting_run, args=(arguments, folder / f"{output}.count"))
            process.start()
            return process

        began = time.monotonic()
        quiet = start("quiet")
        quiet.join()
        whole = time.monotonic() - began
        assert quiet.exitcode == 0
        repeated = _kill(start, folder, kills, random.Random(seed), whole)  # noqa: S311  # no secret
        one, other = digests(folder / f"quiet/{slide.stem}"), digests(folder / f"killed/{slide.stem}")
        differing = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    row = {"kills": kills, "files": len(one), "differing": differing, "shards_scored_again": repeated}
    print_row("kill", keep_tiles=keep_tiles, quiet_seconds=round(whole, 2), **row)
    sys.exit(bool(differing) or repeated > kills)


def _kill(start: Any, folder: Path, kills: int, chance: random.Random, whole: float) -> int:
    """Kill, and start anew where a run was over too soon, until ``kills`` are done; shards scored more than once."""
    killed, repeated = 0, 0
    while killed < kills:
        process = start("killed")
        process.join(chance.uniform(0.05, 0.7) * whole)
        if process.exitcode is None:
            os.kill(process.pid or 0, signal.SIGKILL)
            killed += 1
            there = [stage for stage in STAGES if any(folder.glob(f"killed/*/{stage}"))]
            print(f"kill {killed}: there were {', '.join(there) or 'no outputs'}", flush=True)
        process.join()
        if killed < kills and any(folder.glob("killed/*/run.json")):
            repeated += _scored_again(folder)
            shutil.rmtree(folder / "killed")
            (folder / "killed.count").unlink()
    last = start("killed")
    last.join()
    assert last.exitcode == 0
    return repeated + _scored_again(folder)


def _scored_again(folder: Path) -> int:
    return len((folder / "killed.count").read_text()) - len((folder / "quiet.count").read_text())


if __name__ == "__main__":
    main()
