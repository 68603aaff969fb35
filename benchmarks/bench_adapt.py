"""Adapting the scores of a slide with 75,000 tiles, compared with reading their descriptors; and the whole command.

Descriptors and reference are random: what is measured is time and size.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_export import scored_store
from machine import print_row, seconds_in_turn

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.neighbourhood import local_median, nowhere
from wsi_haloae.adaptation.reference import HeldOut, ReferenceDescriptors
from wsi_haloae.export.anchor_geojson import write_anchor_geojson
from wsi_haloae.stores.positions import strides
from wsi_haloae.stores.score_store import ScoreStore

SIZE, HELD_OUT, GROUPS, FOLDS, ANCHORS = 128, 4000, 80, 5, 10
"""As many held-out tiles as a model keeps, of groups that are just large enough to count as slides."""
EXPORT = (
    "import sys; from wsi_haloae.cli.main import run; code = run(sys.argv[1:]); "
    "sys.exit(code or ('torch was imported' if 'torch' in sys.modules else 0))"
)


def reference() -> ReferenceDescriptors:
    """A reference of the largest size."""
    random = np.random.default_rng(0)
    metric = Metric(np.zeros(SIZE), np.eye(SIZE) + 0.2, 2 * np.eye(SIZE) + 0.1)
    groups = np.repeat(np.arange(GROUPS, dtype=np.int32), HELD_OUT // GROUPS)
    tiles = random.normal(size=(HELD_OUT, SIZE)).astype(np.float16)
    folds = np.split(np.arange(HELD_OUT), FOLDS)
    held_out = [HeldOut(metric, tiles[one], groups[one], nowhere(len(one))) for one in folds]
    return ReferenceDescriptors(metric, tuple(held_out))


def export_seconds(store: ScoreStore, folder: Path) -> float:
    """The whole of ``wsi-haloae export --anchors``, with all default files; it must not import torch."""
    anchors = folder / "marked.geojson"
    write_anchor_geojson(anchors, store.header, store.index, np.arange(ANCHORS))
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", EXPORT, "export", str(store.path.parent), "--anchors", str(anchors), "-q"], check=True
    )
    return time.perf_counter() - start


def main() -> None:
    """Print a row for each mode, one for the command, and one for smoothing alone."""
    with tempfile.TemporaryDirectory() as name:
        store = scored_store(Path(name), reference=reference())
        store.assemble()
        size = sum(file.stat().st_size for file in (store.path / "descriptor").rglob("*") if file.is_file())
        modes: dict[Asked, int] = {"none": 0, "slide": 0, "anchors": ANCHORS}
        for mode, anchors in modes.items():
            marked = np.arange(anchors)
            ours, reading = seconds_in_turn(
                lambda mode=mode, marked=marked: store.adapt(mode, marked), store.descriptors, runs=3
            )
            print_row(
                "adapt", mode=mode, tiles=len(store), numbers=SIZE, seconds=ours, reading_seconds=reading,
                descriptor_megabytes=round(size / 1e6, 1),
            )  # fmt: skip
        print_row("export --anchors", tiles=len(store), seconds=round(export_seconds(store, Path(name)), 2))
        scores, positions = np.random.default_rng(0).random(len(store)).astype(np.float32), store.positions()
        radius = 3 * max(strides(store.header))
        ours, copying = seconds_in_turn(lambda: local_median(scores, positions, radius), scores.copy, runs=3)
        print_row("smooth", tiles=len(store), strides=3, seconds=ours, copying_seconds=copying)


if __name__ == "__main__":
    main()
