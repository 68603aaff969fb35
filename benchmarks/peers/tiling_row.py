"""LazySlide or hs2p beside the product on one slide, as JSON: opening it, finding tissue, the grid, and reading tiles.

Each side runs in its own interpreter, in turn, with one thread; run this with the peer's. Seconds are the processor's,
medians of several processes after one that is not counted. What the sides do not do alike is in `facts` and `tiles`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
SIDE, MPP = 256, 0.5
_CELL = 16
"""Pixels of level 0. Areas are compared in squares of this side."""
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "VIPS_CONCURRENCY",
)

Row = dict[str, Any]


class NotRunError(Exception):
    """One of the two sides failed."""


def main() -> None:
    """Measure and write; exit code 1 if a side did not run."""
    arguments = _parse()
    row: Row = {
        "peer": arguments.peer,
        "slide": arguments.slide.name,
        "mpp": MPP,
        "tile": SIDE,
        "threads": 1,
        "runs": arguments.runs,
        "load_average_before": round(os.getloadavg()[0], 2),
    }
    try:
        row |= _measure(arguments)
    except NotRunError as error:
        row["not_run"] = f"not run here: {error}"
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(row, indent=2) + "\n")
    print(json.dumps(row))
    raise SystemExit(1 if "not_run" in row else 0)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path, help="slide of 0.5 micrometres per pixel")
    parser.add_argument("--peer", choices=("lazyslide", "hs2p"), required=True)
    parser.add_argument("--reader", default="openslide", help="the peer's library for slides: fastslide, vips ...")
    parser.add_argument("--product-python", default="python", help="interpreter that has the product's dependencies")
    parser.add_argument("--runs", type=int, default=5, help="processes of each side that count")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> Row:
    """Both sides in turn, so that changes of the machine affect both."""
    sides = {"peer": (sys.executable, arguments.peer), "product": (arguments.product_python, "product")}
    found: dict[str, list[Row]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as bytecode:
        for run in range(arguments.runs + 1):
            for side, (python, program) in sides.items():
                found[side].append(_run(python, program, arguments, Path(bytecode), checksums=run == 0))
    peer, product = found["peer"], found["product"]
    seconds = {side: _medians([row["seconds"] for row in rows[1:]]) for side, rows in found.items()}
    return {
        "seconds": seconds,
        "times_ours": {stage: seconds["peer"][stage] / taken for stage, taken in seconds["product"].items()},
        "tiles": _compare_tiles(peer[-1], product[-1]),
        "pixels": _compare_pixels(peer[0]["checksums"], product[0]["checksums"]),
        "facts": {side: rows[-1]["facts"] for side, rows in found.items()},
        "machine": product[-1]["where"]["machine"],
        "commit": product[-1]["where"]["commit"],
    }


def _run(python: str, program: str, arguments: argparse.Namespace, bytecode: Path, *, checksums: bool) -> Row:
    """One process. Modules are compiled in the first one, for both sides alike, into a folder that is thrown away."""
    command = [python, str(HERE / "tiling_stages.py"), program, str(arguments.slide), arguments.reader]
    command += [str(MPP), str(SIDE), *(["--checksums"] if checksums else [])]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= dict.fromkeys(_ONE_THREAD, "1") | {
        "PYTHONPATH": os.pathsep.join((str(HERE.parent), str(HERE.parents[1]))),
        "PYTHONPYCACHEPREFIX": str(bytecode),
    }
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotRunError(f"{program}: {words[-1]}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def _compare_tiles(peer: Row, product: Row) -> Row:
    """How many tiles each side found, and what part of the area that either covers is covered by both."""
    theirs, ours = (_covered(row["locations"], row["facts"]["slide_size"]) for row in (peer, product))
    return {
        "peer": len(peer["locations"]),
        "product": len(product["locations"]),
        "area_in_common": float((theirs & ours).sum() / (theirs | ours).sum()),
    }


def _covered(locations: list[list[int]], size: list[int]) -> NDArray[np.bool_]:
    """Squares of the slide whose centre lies in a tile."""
    columns, rows = (np.arange(_CELL // 2, side, _CELL) for side in size)
    covered = np.zeros((len(rows), len(columns)), bool)
    for x, y in locations:
        inside_x, inside_y = (columns >= x) & (columns < x + SIDE), (rows >= y) & (rows < y + SIDE)
        covered[np.ix_(inside_y, inside_x)] = True
    return covered


def _compare_pixels(peer: dict[str, int], product: dict[str, int]) -> dict[str, int]:
    """How many tiles of the shared grid both sides read, and how many of these have the same bytes."""
    both = peer.keys() & product.keys()
    return {"read": len(both), "equal": sum(peer[place] == product[place] for place in both)}


if __name__ == "__main__":
    main()
