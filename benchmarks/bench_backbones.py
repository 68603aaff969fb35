"""VGG19 and DenseNet-121 as block B of the small presets: the engine's features, and features with block C.

Each model is timed in turn with `haloae-small`, in seconds of the processor, on one thread: others may use the machine.
The last one takes its input at full size, where DenseNet-121 needs as much arithmetic as VGG19 does at half size.
Weights are random, which does not change times. One more row of each says what the engine's rewriting of block B is
worth.
"""

from __future__ import annotations

import time
from functools import partial

import click
import torch
from machine import print_row, seconds_in_turn
from torch import Tensor

from wsi_haloae.config import load_config
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel
from wsi_haloae.features.preprocessing import normalise
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.cost import measure_cost
from wsi_haloae.model.haloae import HaloAE

TILE = 256
BATCH = 4
CPU = torch.device("cpu")
REFERENCE = "haloae-small"
FULL_SIZE = ("model.input_downsample=1", "model.features.layers=[transition2.conv, transition3.conv]")
SIDES = {"haloae-2-small": (), "haloae-2-small, full size": FULL_SIZE}


@click.command()
@click.option("--runs", default=7, show_default=True)
def main(runs: int) -> None:
    """Print one row for each model, precision and part."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tiles = torch.randn(BATCH, 3, TILE, TILE)
    reference = _model(REFERENCE)
    for name, settings in SIDES.items():
        plain = _model("haloae-2-small", *settings)
        cost = measure_cost(plain.config, TILE)
        for precision, dtype in PRECISIONS.items():
            model, other = (InferenceModel(one, CPU, dtype) for one in (plain, reference))
            rows = [
                ("features", REFERENCE, partial(_features, model, tiles), partial(_features, other, tiles)),
                ("features and block C", REFERENCE, partial(_score, model, tiles), partial(_score, other, tiles)),
            ]
            if precision == "float32":
                rows.append(("features", "not rewritten", rows[0][2], partial(_features, plain, tiles)))
            for part, against, ours, theirs in rows:
                took, other_took = seconds_in_turn(ours, theirs, runs=runs, clock=time.process_time)
                print_row(
                    "backbones", model=name, against=against, part=part, precision=precision, threads=1,
                    batch_size=BATCH, runs=runs, clock="seconds of the processor; the machine was busy",
                    features_gflop=round(cost.features_flops / 1e9, 1), gflop=round(cost.flops / 1e9, 1),
                    tiles_per_second=BATCH / took, reference=BATCH / other_took, ratio=other_took / took,
                )  # fmt: skip


def _model(config: str, *settings: str) -> HaloAE:
    return HaloAE(resolve(load_config(config, settings)).model, TILE).eval()


@torch.inference_mode()
def _features(model: InferenceModel | HaloAE, tiles: Tensor) -> None:
    model.features(normalise(tiles, model.config.input_downsample))


@torch.inference_mode()
def _score(model: InferenceModel, tiles: Tensor) -> None:
    model.reconstruct(model.features(normalise(tiles, model.config.input_downsample)))


if __name__ == "__main__":
    main()
