"""Tiles a second and memory of one device, without reading: the engine alone, and all that `score` computes of a tile.

A GPU is given every batch before the first result is asked for, as `score` gives it one shard ahead.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import click
import numpy as np
import torch
from machine import print_row

from tests.model.tiny import checkpoint_around
from wsi_haloae.config import load_config
from wsi_haloae.engine.batch import filling
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.scoring.scorer import Scorer


@click.command()
@click.option("--config", "configs", multiple=True, default=("haloae-small", "haloae"), show_default=True)
@click.option("--device", "device_name", default="cuda", show_default=True)
@click.option("-b", "--batch-size", "sizes", multiple=True, type=int, help="Default: 16, 64, and the automatic one.")
@click.option("--tile", default=256, show_default=True)
@click.option("--batches", default=20, show_default=True, help="Batches that are timed together.")
def main(configs: Sequence[str], device_name: str, sizes: Sequence[int], tile: int, batches: int) -> None:
    """Print one row for each preset, precision and batch size."""
    device, unrecorded = resolve_device(device_name), Unrecorded()
    logging.getLogger("wsi_haloae.engine.replay").addHandler(unrecorded)
    torch.backends.cudnn.allow_tf32 = False
    for config in configs:
        model = load_config(config).model
        checkpoint = checkpoint_around(HaloAE(model, tile))
        for precision, dtype in PRECISIONS.items():
            for size in sizes or sorted({16, 64, filling(model.input_downsample)}):
                tiles = np.random.default_rng(0).integers(0, 256, (size, tile, tile, 3), np.uint8)
                scorer, engine = (
                    Scorer(checkpoint, device, size, dtype),
                    InferenceModel(checkpoint.model, device, dtype),
                )
                alone, peak_alone = measured(engine_on(engine.replayed(), tiles, device), batches, device)
                whole, peak = measured(lambda s=scorer, t=tiles: s.begin(t, keep_maps=False), batches, device)
                print_row(
                    "device", config=config, device=_name(device), precision=precision, batch_size=size,
                    engine_tiles_per_second=size / alone, score_tiles_per_second=size / whole,
                    score_of_engine=alone / whole, engine_peak_bytes=peak_alone, score_peak_bytes=peak,
                    not_recorded=unrecorded.taken(),
                )  # fmt: skip


class Unrecorded(logging.Handler):
    """Collects why calls could not be recorded as a CUDA graph."""

    def __init__(self) -> None:
        super().__init__()
        self._said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one warning."""
        self._said.append(record.getMessage())

    def taken(self) -> list[str]:
        """The warnings since the last call."""
        said, self._said = self._said, []
        return said


def engine_on(model: InferenceModel, tiles: np.ndarray, device: torch.device) -> Callable[[], torch.Tensor]:
    """A function that runs blocks B and C on tiles that are on the device already."""
    images = normalise(to_unit(torch.from_numpy(tiles).to(device)), model.config.input_downsample)
    images = images.contiguous(memory_format=torch.channels_last)
    return lambda: model.reconstruct(model.features(images))


@torch.inference_mode()
def measured(work: Callable[[], object], times: int, device: torch.device) -> tuple[float, int]:
    """Seconds of one call among many that are launched together, and the peak of the device's memory."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    work()  # records and warms up
    if on_gpu:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    if on_gpu:
        torch.cuda.synchronize(device)
    seconds = (time.perf_counter() - start) / times
    return seconds, torch.cuda.max_memory_allocated(device) if on_gpu else 0


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


if __name__ == "__main__":
    main()
