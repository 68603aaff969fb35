"""Images scored per second (paper, Table 2): HaloAE, and the baselines on the same features.

    python pipelines/paper_speed.py --config haloae --device cuda -o speed.json

Weights do not change how long a network takes, so random ones are used and nothing is downloaded. The paper's results,
on a Quadro RTX 5000, are printed beside ours for context only: the machine is different.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch

from wsi_haloae.atomic import write_text
from wsi_haloae.baselines.mahalanobis import LocationMahalanobis
from wsi_haloae.baselines.nearest import NearestCoreset
from wsi_haloae.baselines.pca import PcaReconstruction
from wsi_haloae.cli import options
from wsi_haloae.cli.main import run
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.config import MVTEC_BASE, load_config
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.model.anomaly_map import residual_map
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import HaloAE

PAPER_FPS = {"HaloAE": 22.0, "DFR": 5.4, "PatchCore": 2.7, "Cut&Paste": 2.2, "InTra": 0.3}


@click.command()
@click.option("-o", "--output", type=PathArgument(dir_okay=False), required=True)
@click.option("--size", default=256, show_default=True, help="Side of an image, in pixels.")
@click.option("--images", default=64, show_default=True, help="Number of images to time.")
@options.configuration
@options.device
def main(
    output: Path, size: int, images: int, configs: tuple[str, ...], settings: tuple[str, ...], device: str
) -> None:
    """Time each method separately, image by image and in batches of 16; all times include the features."""
    config, where = load_config(configs or "haloae", settings, base=MVTEC_BASE), resolve_device(device)
    torch.manual_seed(0)
    plain = HaloAE(config.model, size).eval()
    methods = _methods(InferenceModel(plain, where), plain.image_size, where)
    rows = []
    for name, score in methods.items():
        for batch in (1, 16):
            fps = _images_per_second(score, plain.image_size, where, batch, images)
            rows.append({"method": name, "batch": batch, "images_per_second": round(fps, 2)})
            click.echo(f"{name}, batch {batch}: {fps:.1f} images/s")
    results = {
        "configuration": list(configs),
        "size": size,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "rows": rows,
        "paper_on_quadro_rtx_5000": PAPER_FPS,
    }
    write_text(output, json.dumps(results, indent=2) + "\n")


def _methods(
    model: InferenceModel, image_size: int, device: torch.device
) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Functions from images (B, 3, s, s) to maps (B, m, m), one per method."""
    train = [model.features(torch.randn(4, 3, image_size, image_size, device=device)) for _ in range(8)]
    pca = PcaReconstruction.fit(lambda: iter(train), 29)
    gaussian = LocationMahalanobis.fit(lambda: iter(train))
    nearest = NearestCoreset.fit(lambda: iter(train), lambda _: None)

    def haloae(images: torch.Tensor) -> torch.Tensor:
        features = model.features(images)
        return residual_map(features, model.reconstruct(features))

    return {
        "HaloAE": haloae,
        "PCA reconstruction": lambda images: pca.maps(model.features(images)),
        "per-location Mahalanobis": lambda images: gaussian.maps(model.features(images)),
        "kNN with a coreset": lambda images: nearest.maps(model.features(images)),
    }


@torch.inference_mode()
def _images_per_second(
    score: Callable[[torch.Tensor], torch.Tensor], image_size: int, device: torch.device, batch: int, images: int
) -> float:
    given = torch.randn(batch, 3, image_size, image_size, device=device)
    given = given.contiguous(memory_format=torch.channels_last)
    score(given).cpu()  # warm-up
    start, done = time.perf_counter(), 0
    while done < images:
        score(given).cpu()  # the copy waits for the device
        done += batch
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], main, "paper_speed.py"))
