"""``wsi-haloae train-tiles``: reference tiles in, checkpoint out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wsi_haloae.atomic import remove_tree
from wsi_haloae.config import Config
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts, file_sha256
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.features import load_backbone_weights
from wsi_haloae.model.haloae import HaloAE, check_tile_size
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.record import RECORD_NAME, RunRecord
from wsi_haloae.runs.reference import ReferenceOptions, ReferenceReader, choose_groups
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.training.batches import read_tiles
from wsi_haloae.training.pictures import write_curve, write_reconstructions
from wsi_haloae.training.sources import CombinedSource
from wsi_haloae.training.split import PARTS, Split, split_by_group
from wsi_haloae.training.statistics import measure_features, measure_mean_map
from wsi_haloae.training.trainer import Trainer, TrainingData, plan_steps

DISPLAY_PERCENTILES = (1.0, 99.5)
"""Of the select tiles' scores: the ends of the colour bar (contract, Score)."""
SCORING_BATCH = 16
SHEET_TILES = 6
STATE_NAME = "state.pt"


@dataclass(frozen=True)
class TrainOptions:
    """What ``wsi-haloae train-tiles`` was asked for, beside its configuration."""

    weights: Path | None
    device: str
    reference: ReferenceOptions
    overwrite: bool


def train_tiles(
    sources: Sequence[str],
    output: Path,
    config: Config,
    options: TrainOptions,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> None:
    """Train and write ``output`` (safetensors), with curve, pictures and record in ``<stem>.training/``."""
    record = RunRecord("train-tiles", arguments, reporter)
    folder = output.parent / f"{output.stem}.training"
    if options.overwrite:
        remove_tree(folder / "tiles")
    folder.mkdir(parents=True, exist_ok=True)
    reader = ReferenceReader(options.reference, config.tissue, folder / "tiles", reporter)
    source = reader.read(sources)
    check_tile_size(config.model, source.tile_size)
    groups = choose_groups(source, len(PARTS), reporter.warn)
    split = split_by_group(groups, config.split, config.training.seed, reader.fixed_parts())
    if len(split.tiles["select"]) < 2:
        raise UsageError("the colour scale needs at least two held-out (select) tiles; give more groups or images.")
    identity = _identity(config, source, split, options.weights)
    if options.overwrite:  # only now: whatever was wrong with the command has been said
        output.unlink(missing_ok=True)
        (folder / STATE_NAME).unlink(missing_ok=True)
    if output.exists():
        _require_same(output, identity)
        reporter.line(f"{output}: trained already, nothing to do")
        return
    _announce(source, config, split, reporter)
    record.lap("reference tiles")
    checkpoint = _train(source, split, config, options, folder, identity, reporter)
    record.lap("training")
    record.facts = {"checkpoint": {"path": str(output), **checkpoint.facts.model_dump(mode="json")}}
    record.write(folder / RECORD_NAME, "done")
    checkpoint.save(output)
    (folder / STATE_NAME).unlink(missing_ok=True)
    reporter.line(f"{output}: done; curve and reconstructions in {folder}")


def _train(
    source: CombinedSource,
    split: Split,
    config: Config,
    options: TrainOptions,
    folder: Path,
    identity: str,
    reporter: Reporter,
) -> Checkpoint:
    device = resolve_device(options.device)
    torch.manual_seed(config.training.seed)
    model = HaloAE(config.model, source.tile_size)
    backbone_source = load_backbone_weights(model.backbone, config.model.features.backbone, options.weights)
    model = model.to(device).to(memory_format=torch.channels_last)
    measured = _draw(split.tiles["train"], config)
    with reporter.track("Measuring features", len(measured), "tiles") as advance:
        statistics = measure_features(source, measured, model, device, advance)
    if config.model.features.standardise:
        model.standardise.fit(
            statistics.mean, statistics.std, model.backbone.layer_channels, config.model.features.std_floor
        )
    feature_range = (statistics.high - statistics.low) / model.standardise.std.cpu()
    # A dead channel has no range, and SSIM's constants would vanish with it.
    feature_range = feature_range.clamp_min(float(0.1 * feature_range.median()))
    data = TrainingData(source, split.tiles["train"], split.tiles["select"])
    trainer = Trainer(
        config, model, data, feature_range, device,
        state_path=folder / STATE_NAME,
        identity=identity,
        workers=options.reference.workers if device.type == "cuda" else 0,
    )  # fmt: skip
    curve = trainer.fit(reporter)
    write_curve(folder, curve)
    with reporter.track("Measuring the mean map", len(measured), "tiles") as advance:
        mean_map = measure_mean_map(source, measured, model.eval(), device, advance)
    write_reconstructions(
        folder / "reconstructions.png", model, read_tiles(source, split.tiles["select"][:SHEET_TILES]), device
    )
    facts = CheckpointFacts(
        config=config,
        tile_size=source.tile_size,
        mpp=source.mpp,
        display_range=(0.0, 1.0),
        backbone_source=backbone_source,
        training={
            "identity": identity,
            "tiles": {part: len(split.tiles[part]) for part in PARTS},
            "groups": {part: len(split.groups[part]) for part in PARTS},
            "steps": curve[-1].step,
            "select_fm": curve[-1].select_fm,
        },
    )
    return _with_display_range(Checkpoint(facts, model, mean_map, feature_range), source, split, device)


def _with_display_range(
    checkpoint: Checkpoint, source: CombinedSource, split: Split, device: torch.device
) -> Checkpoint:
    """The colour bar's ends from held-out reference tiles, so that they are the same on every slide."""
    scorer = Scorer(checkpoint, device, SCORING_BATCH)
    numbers = split.tiles["select"]
    scores = [
        scorer.score(read_tiles(source, numbers[start : start + SCORING_BATCH]).numpy()).score
        for start in range(0, len(numbers), SCORING_BATCH)
    ]
    low, high = np.percentile(np.concatenate(scores), DISPLAY_PERCENTILES)
    if not low < high:
        raise UsageError("all held-out tiles score alike, so there is no colour scale; train on more varied tiles.")
    facts = checkpoint.facts.model_copy(update={"display_range": (float(low), float(high))})
    return Checkpoint(facts, checkpoint.model, checkpoint.mean_map, checkpoint.feature_range)


def _draw(tiles: np.ndarray[Any, np.dtype[np.int64]], config: Config) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The training tiles that statistics are measured on: a fixed draw, in order."""
    if len(tiles) <= config.training.statistics_tiles:
        return tiles
    random = np.random.default_rng((config.training.seed, 2))
    return np.sort(random.choice(tiles, config.training.statistics_tiles, replace=False))


def _announce(source: CombinedSource, config: Config, split: Split, reporter: Reporter) -> None:
    per_epoch, steps = plan_steps(config, len(split.tiles["train"]))
    reporter.line(f"reference tiles: {len(source.groups):,} of {source.tile_size} px at {source.mpp:.4g} µm/px")
    reporter.line(f"split by group: {split.describe()}")
    reporter.line(f"training: {steps} steps, {per_epoch} per epoch")


def _identity(config: Config, source: CombinedSource, split: Split, weights: Path | None) -> str:
    """Digest of configuration, tiles and weights: what an interrupted training may be resumed with."""
    told = {
        "config": config.model_dump(mode="json"),
        "source": [source.digest(), source.tile_size, source.mpp],
        "weights": file_sha256(weights) if weights else None,
        "groups": {part: split.groups[part] for part in PARTS},
        "tiles": {part: split.tiles[part].tolist() for part in PARTS},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _require_same(output: Path, identity: str) -> None:
    if Checkpoint.load(output).facts.training.get("identity") != identity:
        raise OutputExistsError(
            f"{output}: exists already, trained with another configuration or on other tiles. "
            "Choose another -o, or pass --overwrite to replace it."
        )
