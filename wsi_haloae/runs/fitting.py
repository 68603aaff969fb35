"""The training that every command shares: reference tiles and a configuration in, a checkpoint out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.config import Config
from wsi_haloae.features.backbones import load_weights
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.model.decoder import HaloDecoder
from wsi_haloae.model.encoder import HaloEncoder
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.principal_start import start_at_principal_axes
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.helping import Helpers, Job
from wsi_haloae.training.batches import read_tiles
from wsi_haloae.training.pictures import write_curve, write_reconstructions
from wsi_haloae.training.ranks import ALONE
from wsi_haloae.training.statistics import draw, measure_axes, measure_features, measure_mean_maps
from wsi_haloae.training.trainer import EpochRecord, Trainer, TrainingData

SHEET_TILES = 6
STATE_NAME = "state.pt"


@dataclass(frozen=True)
class FitOptions:
    """Where and how to train; ``mpp`` is None for images without a scale, ``facts`` go into the checkpoint.

    ``helpers`` are the other processes of a ``torchrun``.
    """

    weights: Path | None
    device: torch.device
    folder: Path
    identity: str
    workers: int
    mpp: float | None
    facts: Mapping[str, Any]
    helpers: Helpers = field(default_factory=lambda: Helpers(ALONE))


def fit(
    data: TrainingData, config: Config, options: FitOptions, reporter: Reporter
) -> tuple[Checkpoint, list[EpochRecord]]:
    """Train on ``data.train``, watch ``data.select``; curve and pictures go to ``options.folder``.

    An interrupted training goes on from its last epoch. The checkpoint still lacks its display range:
    see `calibrating`.
    """
    source, device = data.source, options.device
    reporter.detail(f"training on {device}, {torch.get_num_threads()} threads, {options.workers} readers")
    model, backbone_source = build(config, source.tile_size, options.weights)
    reporter.line(f"weights of the features: {backbone_source}; the checkpoint will hold a copy")
    model = model.to(device).to(memory_format=torch.channels_last)
    measured = draw(data.train, config)
    feature_range = _measure(data, measured, config, model, device, reporter)
    if config.model.autoencoder.start == "principal":
        _start_linear(data, measured, model, device, reporter)
    state_path, workers = options.folder / STATE_NAME, options.workers if device.type == "cuda" else 0
    start = {name: values.cpu() for name, values in model.state_dict().items()}
    options.helpers.begin(
        Job(config, data, source.tile_size, start, feature_range, device, state_path, options.identity, workers)
    )
    trainer = Trainer(
        config, model, data, feature_range, device,
        state_path=state_path, identity=options.identity, workers=workers, ranks=options.helpers.ranks,
    )  # fmt: skip
    curve = trainer.fit(reporter)
    write_curve(options.folder, curve)
    with reporter.track("Measuring the mean map", len(measured), "tiles") as advance:
        mean_map, image_map = measure_mean_maps(source, measured, model.eval(), config, feature_range, device, advance)
    write_reconstructions(
        options.folder / "reconstructions.png", model, read_tiles(source, data.select[:SHEET_TILES]), device
    )
    facts = CheckpointFacts(
        config=config,
        tile_size=source.tile_size,
        mpp=options.mpp,
        display_range=(0.0, 1.0),
        backbone_source=backbone_source,
        training={
            "identity": options.identity,
            **options.facts,
            "steps": curve[-1].step,
            "select_fm": curve[-1].select_fm,
        },
    )
    return Checkpoint(facts, model, mean_map, feature_range, image_map), curve


def build(config: Config, tile_size: int, weights: Path | None) -> tuple[HaloAE, str]:
    """The model that a training begins with, its features filled, and where their weights come from.

    Raises `UsageError` for weights that do not fit or are not there.
    """
    torch.manual_seed(config.training.seed)
    model = HaloAE(config.model, tile_size)
    return model, load_weights(model.backbone, config.model.features, weights)


def _measure(
    data: TrainingData, tiles: NDArray[np.int64], config: Config, model: HaloAE, device: torch.device,
    reporter: Reporter,
) -> torch.Tensor:  # fmt: skip
    """Standardise the model's features by those of ``tiles``; gives SSIM's range of each channel, (C,)."""
    with reporter.track("Measuring features", len(tiles), "tiles") as advance:
        statistics = measure_features(data.source, tiles, model, device, advance)
    if config.model.features.standardise:
        model.standardise.fit(
            statistics.mean, statistics.std, model.backbone.layer_channels, config.model.features.std_floor
        )
    feature_range = (statistics.high - statistics.low) / model.standardise.std.cpu()
    # A dead channel has no range, and SSIM's constants would vanish with it.
    return feature_range.clamp_min(float(0.1 * feature_range.median()))


def _start_linear(
    data: TrainingData, tiles: NDArray[np.int64], model: HaloAE, device: torch.device, reporter: Reporter
) -> None:
    """Block C as the PCA of ``tiles``; block C of another kind than HaloNet starts as it would."""
    if not (isinstance(model.encoder, HaloEncoder) and isinstance(model.decoder, HaloDecoder)):
        return
    with reporter.track("Measuring main directions", len(tiles), "tiles") as advance:
        axes = measure_axes(data.source, tiles, model, device, advance)
    kept = start_at_principal_axes(model.encoder, model.decoder, axes)
    reporter.line(f"block C starts as a PCA of {kept} components")
