"""The training that all commands share: from reference tiles and a configuration to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.config import Config
from wsi_haloae.features.backbones import build_backbone, load_weights
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.model.halo_autoencoder import HaloDecoder, HaloEncoder
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.loose_cosine import require_layers
from wsi_haloae.model.principal_start import start_at_principal_axes
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.tiles.sources import read_tiles
from wsi_haloae.training.distributed import Helpers
from wsi_haloae.training.epoch import EpochRecord
from wsi_haloae.training.job import TrainingData, TrainingJob
from wsi_haloae.training.pictures import write_curve, write_reconstructions
from wsi_haloae.training.ranks import ALONE
from wsi_haloae.training.statistics import (
    FeatureStatistics,
    draw,
    measure_axes,
    measure_features,
    measure_mean_maps,
)
from wsi_haloae.training.trainer import Trainer

SHEET_TILES = 6


def fit(job: TrainingJob, reporter: Reporter, helpers: Helpers | None = None) -> tuple[Checkpoint, list[EpochRecord]]:
    """Train on ``job.data.train``, validate on ``job.data.validation``; curve and pictures go to ``job.folder``.

    ``helpers`` are the other processes of a ``torchrun``. An interrupted training resumes where it was last
    saved. The checkpoint cannot score tiles yet: see `calibrate`.
    """
    helpers = helpers or Helpers(ALONE)
    config, data, source = job.config, job.data, job.data.source
    device = helpers.ranks.device(job.device)
    threads, readers = with_noun(torch.get_num_threads(), "thread"), with_noun(job.workers, "reader")
    reporter.detail(f"training on {device}, {threads}, {readers}")
    model, backbone_source = build(config, source.tile_size, job.weights)
    reporter.line(f"backbone weights: {backbone_source}; the checkpoint will contain a copy")
    model = model.to(device).to(memory_format=torch.channels_last)
    measured = draw(data.train, config)
    feature_range = _measure(data, measured, config, model, device, reporter)
    if config.model.autoencoder.start == "principal":
        _start_linear(data, measured, model, device, reporter)
    helpers.begin(job, model, feature_range)
    trainer = Trainer(job, model, feature_range, device, helpers.ranks)
    if job.afterwards and not reporter.quiet:
        reporter.line(job.afterwards.forecast(model, source, data.validation, device))
    curve = trainer.fit(reporter)
    write_curve(job.folder, curve)
    with reporter.track("Measuring the mean map", len(measured), "tiles") as advance:
        mean_map, image_map = measure_mean_maps(source, measured, model.eval(), config, feature_range, device, advance)
    shown = torch.from_numpy(read_tiles(source, data.validation[:SHEET_TILES]))
    write_reconstructions(job.folder / "reconstructions.png", model, shown, device)
    facts = CheckpointFacts(
        config=config,
        tile_size=source.tile_size,
        mpp=job.mpp,
        display_range=(0.0, 1.0),
        backbone_source=backbone_source,
        training={
            "identity": job.identity,
            **job.facts,
            "steps": curve[-1].step,
            "validation_fm": curve[-1].validation_fm,
            **_mark_facts(trainer.best),
        },
    )
    return Checkpoint(facts, model, mean_map, feature_range, image_map), curve


def build(config: Config, tile_size: int, weights: Path | None) -> tuple[HaloAE, str]:
    """The model that a training begins with, its features filled, and where their weights come from.

    Raises `UsageError` for weights that do not fit or are not there, `ConfigError` for settings that do not fit.
    """
    torch.manual_seed(config.training.seed)
    model = HaloAE(config.model, tile_size)
    require_layers(config.loss.layer_groups, model.backbone.layers)
    return model, load_weights(model.backbone, config.model.features, weights)


def require_features(config: Config, weights: Path | None) -> None:
    """Before anything long: raise what `build` will raise for the features, their weights, and the loss on them."""
    backbone = build_backbone(config.model.features)
    require_layers(config.loss.layer_groups, backbone.layers)
    load_weights(backbone, config.model.features, weights)


def _mark_facts(best: EpochRecord) -> dict[str, float]:
    """What the checkpoint says about the mark, if it decided the weights: its best, and at which step that was."""
    if best.synthetic_mark is None:
        return {}
    return {"synthetic_mark": best.synthetic_mark, "synthetic_mark_step": best.step}


def _measure(
    data: TrainingData, tiles: NDArray[np.int64], config: Config, model: HaloAE, device: torch.device,
    reporter: Reporter,
) -> torch.Tensor:  # fmt: skip
    """Standardise the model's features by the statistics of ``tiles``; returns SSIM's range of each channel, (C,)."""
    with reporter.track("Measuring features", len(tiles), "tiles") as advance:
        statistics = measure_features(data.source, tiles, model, device, advance)
    return standardise_by(statistics, model, config)


def standardise_by(statistics: FeatureStatistics, model: HaloAE, config: Config) -> torch.Tensor:
    """Standardise the model's features, if the configuration says so; returns SSIM's range of each channel, (C,)."""
    if config.model.features.standardise:
        model.standardise.fit(
            statistics.mean, statistics.std, model.backbone.layer_channels, config.model.features.std_floor
        )
    feature_range = (statistics.high - statistics.low) / model.standardise.std.cpu()
    # A dead channel has a range of 0, which would make SSIM's constants 0.
    return feature_range.clamp_min(float(0.1 * feature_range.median()))


def _start_linear(
    data: TrainingData, tiles: NDArray[np.int64], model: HaloAE, device: torch.device, reporter: Reporter
) -> None:
    """Start block C as the PCA of ``tiles``; a block C that is not a HaloNet keeps its usual start."""
    if not (isinstance(model.encoder, HaloEncoder) and isinstance(model.decoder, HaloDecoder)):
        return
    with reporter.track("Measuring principal components", len(tiles), "tiles") as advance:
        axes = measure_axes(data.source, tiles, model, device, advance)
    kept = start_at_principal_axes(model.encoder, model.decoder, axes)
    reporter.line(f"block C starts as a PCA of {kept} components")
