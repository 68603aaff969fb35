"""How long the viewer takes to answer marks on a slide of 75,000 tiles with 128 numbers each.

A running `wsi-haloae view` is asked over HTTP, as its page asks it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from bench_export import COLUMNS, ROWS, scored_store
from machine import print_row

from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.reference import MOST_TILES, ReferenceDescriptors

DIMENSIONS, GROUPS, RUNS = 128, 16, 5
MARKS = (1, 3, 10, 100)


def reference() -> ReferenceDescriptors:
    """As many calibration tiles as a model keeps, in groups that are just large enough to count as slides."""
    random = np.random.default_rng(0)
    metric = Metric(np.zeros(DIMENSIONS), np.eye(DIMENSIONS) + 0.2, 2 * np.eye(DIMENSIONS) + 0.1)
    held_out = random.normal(size=(MOST_TILES, DIMENSIONS)).astype(np.float16)
    groups = np.repeat(np.arange(GROUPS, dtype=np.int32), MOST_TILES // GROUPS)
    return ReferenceDescriptors(metric, held_out, groups, 0.5)


def seconds(server: str, marks: int) -> float:
    """Median of the time until the last byte of the answer from ``server``, 127.0.0.1:PORT."""
    random, taken = np.random.default_rng(marks), []
    for _ in range(RUNS + 1):
        places = random.choice(ROWS * COLUMNS, marks, replace=False).tolist()
        body = json.dumps([[place // COLUMNS, place % COLUMNS] for place in places])
        start = time.perf_counter()
        connection = HTTPConnection(server)
        headers = {"Content-Type": "application/json", "Origin": f"http://{server}"}
        connection.request("POST", "/api/slides/slide/anchors", body, headers)
        connection.getresponse().read()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def main() -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as name:
        scored_store(Path(name) / "slide", reference=reference()).assemble()
        command = [sys.executable, "-m", "wsi_haloae", "view", name, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
            assert viewer.stdout is not None
            server = viewer.stdout.readline().strip().removeprefix("http://").rstrip("/")
            found = {f"seconds_with_{marks}": round(seconds(server, marks), 3) for marks in MARKS}
            viewer.terminate()
    print_row("marking", tiles=ROWS * COLUMNS, dimensions=DIMENSIONS, **found)


if __name__ == "__main__":
    main()
