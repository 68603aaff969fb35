"""What TLS between scheduler and workers costs a study: the same slides with it and without it, in turn.

The model is replaced by a sleep of 0.2 s, so that a slide is little more than the messages about it; real slides take
minutes, with as many messages a second. Without TLS is how clusters on this machine used to run: open to every user.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import click
import dask
import numpy as np
from cohort import TILE, figures, link_slides, sleeper
from distributed.security import Security
from machine import print_row
from scene import make_model

from wsi_haloae.cli.main import run

SLEEP = 0.2


@click.command()
@click.option("--slides", default=100, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--runs", default=5, show_default=True, help="Timed studies of each kind, in turn.")
def main(slides: int, workers: int, runs: int) -> None:
    """Print one row."""
    opened, closed = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder, TILE)
        link_slides(folder, slides)
        asked = ["score", str(folder / "slides"), "-m", str(model), "-q", "--slides-at-once", str(workers)]
        with dask.config.set({"distributed.worker.preload": [sleeper(folder, model, SLEEP)]}):
            for number in range(runs):
                with mock.patch.object(Security, "temporary", Security):
                    opened.append(_study(asked, folder / f"open-{number}", workers))
                closed.append(_study(asked, folder / f"tls-{number}", workers))
    ratios = [one["seconds"] / other["seconds"] for one, other in zip(closed, opened, strict=True)]
    print_row(
        "tls", slides=slides, workers=workers, runs=runs, ratio=statistics.median(ratios), ratios=ratios,
        tls=_medians(closed), open=_medians(opened),
    )  # fmt: skip


def _study(asked: list[str], output: Path, workers: int) -> dict[str, float]:
    """Seconds from the first slides' ends to the last one's, and what handing out cost of them."""
    if run([*asked, "-o", str(output)]):
        raise SystemExit("slides failed")
    with (output / "cohort.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    ends = np.sort([path.stat().st_mtime for path in output.glob("*/run.json")])
    overhead = figures(rows, ends, workers)["overhead_milliseconds_a_slide"]
    return {"seconds": float(ends[-1] - ends[workers - 1]), "overhead_milliseconds_a_slide": overhead}


def _medians(studies: list[dict[str, float]]) -> dict[str, float]:
    return {what: statistics.median(one[what] for one in studies) for what in studies[0]}


if __name__ == "__main__":
    main()
