"""Blocks B and C for scoring, computed by the engine and by the plain model in turn, with the same number of threads.

Reference 1: the uncut VGG19 and blocks B to E, as the published code runs them: evaluation mode, float32, torch's
defaults. Reference 2: only B and C, run in the same way. The engine runs as `score` runs it: it keeps the memory that
it frees and, on a CPU, computes a batch on each thread. Use `--device cuda` for a GPU. Weights are random, which does
not change times. On one thread times are seconds of the processor, on several they are by the clock.

`at_most` is the ratio that would be left if nothing but the engine's convolutions took time, and all of them ran at the
rate of a wide one (256 to 256 channels, 3x3, 64x64 cells), which is measured beside.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from answering import Answering, answer
from machine import print_row
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import vgg19

from wsi_haloae.config import load_config
from wsi_haloae.engine.batch import automatic_batch_size
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel
from wsi_haloae.features.preprocessing import normalise
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.scoring.side_by_side import side_by_side

TILE = 256
LAST = torch.channels_last
AFTER_RELU3_4 = 18
PUBLISHED, PLAIN = "uncut VGG19 and B to E", "B and C"


@click.command()
@click.option("--config", default="haloae", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("-b", "--batch-size", type=int, help="Batch size of the engine. Default: automatic.")
@click.option(
    "--tiles", default=4, show_default=True, help="Number of tiles in a run; the reference takes them all at once."
)
@click.option("--threads", type=int, default=available_cores, show_default="cores")
@click.option("--runs", default=3, show_default=True)
@click.option("--work", hidden=True, help="Answer, as one of those that are compared.")
def main(
    config: str, device: str, batch_size: int | None, tiles: int, threads: int, runs: int, work: str | None
) -> None:
    """Print one row for each precision and reference."""
    if work:
        answer(_worker(work, config, resolve_device(device), batch_size, tiles, threads))
        return
    given = ["--config", config, "--device", device, "--tiles", tiles, "--threads", threads]
    given += ["--batch-size", batch_size] if batch_size else []
    workers = {work: Answering(Path(__file__), *given, "--work", work) for work in (PUBLISHED, PLAIN, *PRECISIONS)}
    passes = [{work: worker.once() for work, worker in workers.items()} for _ in range(runs + 1)][1:]
    for worker in workers.values():
        worker.end()
    rates = {work: tiles / statistics.median(one[work]["seconds"] for one in passes) for work in workers}
    for precision in PRECISIONS:
        for against in (PUBLISHED, PLAIN):
            print_row(
                "engine", config=config, device=device, precision=precision, against=against,
                batch_size=int(passes[0][precision]["batch size"]), threads=threads,
                tiles_per_second=rates[precision], reference=rates[against], ratio=rates[precision] / rates[against],
                at_most=statistics.median(one[precision]["at most"] for one in passes) / rates[against],
            )  # fmt: skip


def _worker(
    work: str, config: str, device: torch.device, batch_size: int | None, tiles: int, threads: int
) -> Callable[[], dict[str, float]]:
    """What one of those that are compared does at each call."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False
    plain = HaloAE(load_config(config).model, TILE).to(device).eval()
    images = torch.randn(tiles, 3, TILE, TILE, device=device)
    clock = time.process_time if threads == 1 and device.type == "cpu" else time.perf_counter
    size = tiles
    if work in PRECISIONS:
        ready_to_compute(threads)
        model = InferenceModel(plain, device, PRECISIONS[work])
        size = min(tiles, batch_size or automatic_batch_size(model, TILE, device))
        of_a_tile = _convolving(lambda: _score(model, images[:1], 1, 1))
        wide = nn.Conv2d(256, 256, 3, padding=1, device=device, dtype=PRECISIONS[work]).to(memory_format=LAST)
        cells = torch.randn(tiles, 256, 64, 64, device=device, dtype=PRECISIONS[work]).to(memory_format=LAST)
        of_wide = _convolving(lambda: wide(cells))

    def at_most() -> float:
        """Tiles a second, if there were only convolutions."""
        if work not in PRECISIONS:
            return 0.0
        start = clock()
        side_by_side(wide, cells.split(size), threads if device.type == "cpu" else 1)
        synchronise()
        return of_wide / (clock() - start) / of_a_tile

    def synchronise() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def once() -> dict[str, float]:
        start = clock()
        if work in PRECISIONS:
            _score(model, images, size, threads)
        elif work == PUBLISHED:
            _published(plain, rest, images)
        else:
            _reconstruct(plain, normalise(images, plain.config.input_downsample))
        synchronise()
        return {"seconds": clock() - start, "batch size": size, "at most": at_most()}

    rest = vgg19(weights=None).features[AFTER_RELU3_4:].to(device).eval()
    return once


def _convolving(work: Callable[[], object]) -> float:
    """Floating-point operations of the convolutions in ``work``."""
    with FlopCounterMode(display=False) as counted:
        work()
    return sum(count for name, count in counted.get_flop_counts()["Global"].items() if "conv" in str(name))


def _score(model: InferenceModel, images: Tensor, size: int, threads: int) -> None:
    def reconstructed(batch: Tensor) -> Tensor:
        return model.reconstruct(model.features(normalise(batch, model.config.input_downsample)))

    side_by_side(reconstructed, images.split(size), threads if images.device.type == "cpu" else 1)


@torch.inference_mode()
def _reconstruct(model: HaloAE, images: Tensor) -> None:
    model.reconstruct(model.features(images))


@torch.inference_mode()
def _published(model: HaloAE, rest: nn.Module, images: Tensor) -> None:
    output = model(normalise(images, model.config.input_downsample))
    rest(output.features[:, -256:])


if __name__ == "__main__":
    main()
