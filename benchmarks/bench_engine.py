"""Blocks B and C for scoring, computed by the engine and by the plain model in turn, with the same threads.

Reference 1: the uncut VGG19 and blocks B to E, as the published code runs them: evaluation mode, float32, torch's
defaults. Reference 2: only B and C, run in the same way. Use `--device cuda` for a GPU. Weights are random, which does
not change times.
"""

from __future__ import annotations

from collections.abc import Callable

import click
import torch
from machine import print_row, seconds_in_turn
from torch import Tensor, nn
from torchvision.models import vgg19

from wsi_haloae.config import load_config
from wsi_haloae.engine.batch import automatic_batch_size
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel
from wsi_haloae.features.preprocessing import normalise
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import HaloAE

TILE = 256
AFTER_RELU3_4 = 18


@click.command()
@click.option("--config", default="haloae", show_default=True)
@click.option("--device", "device_name", default="cpu", show_default=True)
@click.option("-b", "--batch-size", type=int, help="Batch size of the engine. Default: automatic.")
@click.option(
    "--tiles", default=4, show_default=True, help="Number of tiles in a run; the reference takes them all at once."
)
@click.option("--runs", default=3, show_default=True)
def main(config: str, device_name: str, batch_size: int | None, tiles: int, runs: int) -> None:
    """Print one row for each precision and reference."""
    torch.manual_seed(0)
    device = resolve_device(device_name)
    torch.backends.cudnn.allow_tf32 = False
    plain = HaloAE(load_config(config).model, TILE).to(device).eval()
    rest = vgg19(weights=None).features[AFTER_RELU3_4:].to(device).eval()
    images = torch.randn(tiles, 3, TILE, TILE, device=device)

    for precision, dtype in PRECISIONS.items():
        model = InferenceModel(plain, device, dtype)
        size = min(tiles, batch_size or automatic_batch_size(model, TILE, device))
        ours = _synchronised(device, lambda model=model, size=size: _score(model, images, size))
        for name, reference in (
            ("uncut VGG19 and B to E", lambda: _published(plain, rest, images)),
            ("B and C", lambda: _reconstruct(plain, normalise(images, plain.config.input_downsample))),
        ):
            took, other = seconds_in_turn(ours, _synchronised(device, reference), runs=runs)
            print_row(
                "engine", config=config, device=str(device), precision=precision, against=name, batch_size=size,
                threads=torch.get_num_threads(), tiles_per_second=tiles / took, reference=tiles / other,
                ratio=other / took,
            )  # fmt: skip


@torch.inference_mode()
def _score(model: InferenceModel, images: Tensor, size: int) -> None:
    for batch in images.split(size):
        model.reconstruct(model.features(normalise(batch, model.config.input_downsample)))


@torch.inference_mode()
def _reconstruct(model: HaloAE, images: Tensor) -> None:
    model.reconstruct(model.features(images))


@torch.inference_mode()
def _published(model: HaloAE, rest: nn.Module, images: Tensor) -> None:
    output = model(normalise(images, model.config.input_downsample))
    rest(output.features[:, -256:])


def _synchronised(device: torch.device, work: Callable[[], None]) -> Callable[[], None]:
    def timed() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return timed


if __name__ == "__main__":
    main()
