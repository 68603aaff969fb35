"""Time `score` from end to end by this version and by another, in turn: whether a change makes users wait.

    git worktree add /tmp/other 210031b
    python benchmarks/bench_versions.py --other /tmp/other

The model and the slide are made by the other version, whose files this one reads. Prints one row: the median processor
seconds (of the command and its children) and seconds by the clock of each, and the ratios.
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
from pathlib import Path

import click
from machine import print_row

HERE = Path(__file__).resolve()
MAKE = "from pathlib import Path; from scene import make_model, make_slide; import sys; folder = Path(sys.argv[1]); "
MAKE += "make_slide(folder, int(sys.argv[2])); make_model(folder, 256, 'haloae-small')"


@click.command()
@click.option(
    "--other",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="A checkout of the version to compare with.",
)
@click.option("--side", default=6144, show_default=True, help="Side of the slide, in pixels.")
@click.option("--runs", default=3, show_default=True)
def main(other: Path, side: int, runs: int) -> None:
    """Compare."""
    places = {"here": HERE.parents[1], "other": other.resolve()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
    with tempfile.TemporaryDirectory(prefix="versions-") as name:
        folder = Path(name)
        _run(places["other"], "-c", MAKE, folder, str(side))
        slide, model = folder / f"slide-{side}.tif", folder / "haloae-small-256.safetensors"
        for _ in range(runs):
            for version, checkout in places.items():
                output = folder / version
                shutil.rmtree(output, ignore_errors=True)
                command = ["-m", "wsi_haloae", "score", slide, "--model", model, "-o", output, "-q", "--device", "cpu"]
                taken[version].append(_run(checkout, *command))
    here, reference = (
        {kind: statistics.median(one[at] for one in taken[version]) for at, kind in enumerate(("processor", "clock"))}
        for version in places
    )
    print_row(
        "versions",
        side=side,
        runs=runs,
        here={kind: round(value, 2) for kind, value in here.items()},
        other={kind: round(value, 2) for kind, value in reference.items()},
        ratio={kind: round(here[kind] / reference[kind], 3) for kind in here},
    )


def _run(checkout: Path, *arguments: str | Path) -> tuple[float, float]:
    """Seconds of the processor, and by the clock."""
    searched = os.pathsep.join([str(checkout), str(checkout / "benchmarks")])
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-P", *map(str, arguments)], check=True, env={**os.environ, "PYTHONPATH": searched})
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


if __name__ == "__main__":
    main()
