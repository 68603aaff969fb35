"""Time `score` from end to end by this version and by another, in turn: whether a change makes users wait.

    git worktree add /tmp/other 210031b
    python benchmarks/bench_versions.py --other /tmp/other
    python benchmarks/bench_versions.py --other /tmp/other SLIDE --mpp-override 0.5 --precision bfloat16

The model and the slide, if none is given, are made by the other version, whose files this one reads. Further options
are those of `score`. Prints one row: the median processor seconds (of the command and its children), seconds by the
clock and megabytes (proportional set sizes, the most in each quarter of the time) of each, and the ratios.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from growth import EVERY, tree_pss
from machine import print_row

HERE = Path(__file__).resolve()
MAKE = "from pathlib import Path; from scene import make_model, make_slide; import sys; folder = Path(sys.argv[1]); "
MAKE += "int(sys.argv[2]) and make_slide(folder, int(sys.argv[2])); make_model(folder, 256, sys.argv[3])"


@dataclass(frozen=True)
class Taken:
    """What a command took."""

    processor: float
    clock: float
    megabytes: tuple[float, ...]  # the most in each quarter of the time


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--other",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="A checkout of the version to compare with.",
)
@click.option("--side", default=6144, show_default=True, help="Side of the slide that is made, in pixels.")
@click.option("--config", default="haloae-small", show_default=True)
@click.option("--runs", default=3, show_default=True)
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def main(other: Path, side: int, config: str, runs: int, more: tuple[str, ...]) -> None:
    """Compare; MORE is a slide and options of `score`."""
    places = {"here": HERE.parents[1], "other": other.resolve()}
    taken: dict[str, list[Taken]] = {name: [] for name in places}
    with tempfile.TemporaryDirectory(prefix="versions-") as name:
        folder = Path(name)
        _run(places["other"], "-c", MAKE, folder, "0" if more else str(side), config)
        given, model = more or (str(folder / f"slide-{side}.tif"),), folder / f"{config}-256.safetensors"
        for _ in range(runs):
            for version, checkout in places.items():
                output = folder / version
                shutil.rmtree(output, ignore_errors=True)
                command = ["-m", "wsi_haloae", "score", "--model", model, "-o", output, "-q", "--device", "cpu"]
                taken[version].append(_run(checkout, *command, *given))
        tiles = sum(len(table.read_text().splitlines()) - 1 for table in output.glob("*/tiles.csv"))
    found = {version: _median(runs) for version, runs in taken.items()}
    here, reference = found["here"], found["other"]
    print_row(
        "versions", given=[Path(one).name for one in given], config=config, tiles=tiles, runs=runs,
        **{version: asdict(one) for version, one in found.items()},
        ratio={"processor": round(here.processor / reference.processor, 3),
               "clock": round(here.clock / reference.clock, 3),
               "megabytes": round(max(here.megabytes) / max(reference.megabytes), 3)},
    )  # fmt: skip


def _median(runs: list[Taken]) -> Taken:
    return Taken(
        round(statistics.median(one.processor for one in runs), 2),
        round(statistics.median(one.clock for one in runs), 2),
        tuple(np.median([one.megabytes for one in runs], axis=0).round().tolist()),
    )


def _run(checkout: Path, *arguments: str | Path) -> Taken:
    searched = os.pathsep.join([str(checkout), str(checkout / "benchmarks")])
    before, begun, sizes = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), [0]
    environment = {**os.environ, "PYTHONPATH": searched}
    process = subprocess.Popen([sys.executable, "-P", *map(str, arguments)], env=environment)
    while process.poll() is None:
        sizes.append(tree_pss(process.pid))
        time.sleep(EVERY)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(seconds, clock, tuple(max(part, default=0) / 1e6 for part in np.array_split(sizes, 4)))


if __name__ == "__main__":
    main()
