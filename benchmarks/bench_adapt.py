"""Adapting the scores of a slide with 75,000 tiles, compared with reading their descriptors.

Descriptors and reference are random: what is measured is time and size.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from bench_export import scored_store
from machine import print_row, seconds_in_turn

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.reference import ReferenceDescriptors

SIZE, CALIBRATION, GROUPS, ANCHORS = 128, 1024, 16, 10


def main() -> None:
    """Print a row for each mode."""
    random = np.random.default_rng(0)
    metric = Metric(np.zeros(SIZE), np.eye(SIZE), 2 * np.eye(SIZE))
    held_out = random.normal(size=(CALIBRATION, SIZE)).astype(np.float16)
    groups = np.repeat(np.arange(GROUPS, dtype=np.int32), CALIBRATION // GROUPS)
    with tempfile.TemporaryDirectory() as name:
        store = scored_store(Path(name), reference=ReferenceDescriptors(metric, held_out, groups, 1.0))
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


if __name__ == "__main__":
    main()
