"""All that `score` does for a tile, part by part, beside the engine alone, in float32 and bfloat16.

    python benchmarks/bench_score.py
    git worktree add /tmp/other f7ea1ca && python benchmarks/bench_score.py --other /tmp/other

With ``--other``, another version of the package (f7ea1ca or later) scores the same tiles in turn with this one, in
processes that are stopped between their turns. On one thread times are seconds of the processor, so that others on the
machine count little; on several they are by the clock.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from answering import Answering
from machine import print_row
from scene import make_model, make_slide

from wsi_haloae.processors.cores import available_cores

HERE = Path(__file__).resolve().parent
ALONE = "engine alone"


@click.command()
@click.option("--config", default="haloae-small", show_default=True)
@click.option("--threads", type=int, default=available_cores, show_default="cores")
@click.option("--side", default=3072, show_default=True, help="Side of the slide, in pixels.")
@click.option("--runs", default=3, show_default=True, help="Of everything, in turn, after one that does not count.")
@click.option("--other", type=click.Path(exists=True, path_type=Path), help="A checkout to compare with.")
@click.option("--model", type=click.Path(exists=True, path_type=Path), help="Default: one with almost random weights.")
def main(config: str, threads: int, side: int, runs: int, other: Path | None, model: Path | None) -> None:
    """Print a row for each precision and version."""
    versions = {"here": HERE.parent, **({} if other is None else {"other": other.resolve()})}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        slide = make_slide(Path(name), side)
        path = model or make_model(Path(name), 256, config)
        for precision in ("float32", "bfloat16"):
            processes = {
                version: Answering(
                    HERE / "score_parts.py",
                    path,
                    slide,
                    precision,
                    threads,
                    environment={**os.environ, "PYTHONPATH": str(checkout)},
                )
                for version, checkout in versions.items()
            }
            for process in processes.values():
                stack.callback(process.end)
            passes = [{version: process.once() for version, process in processes.items()} for _ in range(runs + 1)]
            for version in versions:
                times = [one[version] for one in passes[1:]]
                parts = {part: statistics.median(one[part] for one in times) for part in times[0]}
                alone = parts[ALONE]
                if threads > 1:  # batches are computed side by side, and their parts at the same time
                    parts = {ALONE: alone}
                whole = statistics.median(sum(one.values()) - one[ALONE] for one in times)
                print_row(
                    "score", config=config, precision=precision, version=version, threads=threads,
                    milliseconds={part: round(one, 2) for part, one in parts.items()},
                    milliseconds_in_all=round(whole, 2), of_engine=round(alone / whole, 3),
                )  # fmt: skip


if __name__ == "__main__":
    main()
