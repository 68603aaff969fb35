"""Assembles the anomaly map of a whole slide, 75,000 tiles of 64 x 64 cells: time and memory.

    python benchmarks/pixel_map.py

The maps are random, which no codec can compress. Memory is the peak of the process minus its memory before. Linux,
macOS.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from bench_export import scored_store
from machine import print_row

from wsi_haloae.export.ome_zarr import write_pixel_map
from wsi_haloae.heatmap.pixel_map import assemble_map

SIDE = 64
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of the system's memory counter."""


def main() -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as name:
        store = scored_store(Path(name), SIDE)
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        whole = assemble_map(store)
        write_pixel_map(Path(name) / "map.ome.zarr", whole, store.header.slide)
        seconds = time.monotonic() - start
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * UNIT
    megabytes = {"map_megabytes": whole.values.nbytes / 1e6, "memory_megabytes": more / 1e6}
    print_row("pixel map", cells=list(whole.values.shape), seconds=seconds, **megabytes)


if __name__ == "__main__":
    main()
