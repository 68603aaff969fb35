"""One training step compared with its plain form: same model, losses and batch, in turn, with the same threads.

Plain: SSIM as grouped 11x11 convolutions, NCHW, float32, eager. Then one change after another is added: SSIM as matrix
products, channels last, bfloat16, torch.compile. On a GPU use `--config haloae --device cuda`, on a CPU
`--config haloae-small`.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import click
import torch
from bench_ssim import convolved
from machine import print_row, seconds_in_turn

from wsi_haloae.config import Config, load_config
from wsi_haloae.model import losses
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.training.objective import Objective

TILE = 256


def make_step(config: Config, device: torch.device, *, plain_ssim: bool, layout: torch.memory_format, half: bool,
              compiled: bool) -> Callable[[], None]:  # fmt: skip
    """A step on fixed random images, with everything the trainer does between reading and the next batch."""
    torch.manual_seed(0)
    model = HaloAE(config.model, TILE).to(device).to(memory_format=layout).train()
    objective = Objective(config.loss, config.ews.schedule, torch.ones(model.backbone.channels, device=device))
    optimiser = torch.optim.Adam(model.trainable_parameters(), lr=1e-4)
    damaged = views(config).to(device)
    images = torch.randn(len(damaged), 3, model.image_size, model.image_size, device=device)
    images = images.contiguous(memory_format=layout)
    if compiled:
        for part in (model.encoder, model.decoder, model.image_decoder):
            part.compile()

    def step() -> None:
        ssim = plain if plain_ssim else losses.ssim
        with mock.patch.object(losses, "ssim", ssim), torch.autocast(device.type, torch.bfloat16, enabled=half):
            total, _ = objective(model, images, damaged, 125.0)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def views(config: Config) -> torch.Tensor:
    """Which views of a batch are damaged, in the layout of `TrainingBatches`."""
    settings = config.training
    copies = settings.originals_per_batch if settings.damaged_per_batch is None else settings.damaged_per_batch
    return torch.tensor([False, True, True] * copies + [False] * (settings.originals_per_batch - copies))


def plain(x: torch.Tensor, y: torch.Tensor, data_range: torch.Tensor | None, *, padding: int = 0) -> torch.Tensor:
    """SSIM by grouped convolutions (with range 1, because the cost is the same)."""
    return convolved(x.float(), y.float())


@click.command()
@click.option("--config", "configs", multiple=True, default=("haloae-small",), show_default=True)
@click.option("--device", "device_name", default="cpu", show_default=True)
@click.option("--runs", default=3, show_default=True, help="Number of timed steps of each form.")
@click.option("--eager", is_flag=True, help="Leave out torch.compile, which takes minutes on a CPU.")
def main(configs: tuple[str, ...], device_name: str, runs: int, eager: bool) -> None:
    """Print one JSON row per change, each compared with the plain form in the same run."""
    device, config = torch.device(device_name), load_config(configs)
    contiguous, last = torch.contiguous_format, torch.channels_last
    reference = make_step(config, device, plain_ssim=True, layout=contiguous, half=False, compiled=False)
    forms = {
        "matrix SSIM": {"layout": contiguous, "half": False, "compiled": False},
        "and channels last": {"layout": last, "half": False, "compiled": False},
        "and bfloat16": {"layout": last, "half": True, "compiled": False},
        "and compiled": {"layout": last, "half": True, "compiled": True},
    }
    if eager:
        del forms["and compiled"]
    for name, form in forms.items():
        ours = make_step(config, device, plain_ssim=False, **form)
        seconds, plain_seconds = seconds_in_turn(ours, reference, runs)
        print_row(
            "train_step", form=name, configuration=" + ".join(configs), device=str(device),
            threads=torch.get_num_threads(), seconds=seconds, reference_seconds=plain_seconds,
            speedup=plain_seconds / seconds,
        )  # fmt: skip


if __name__ == "__main__":
    main()
