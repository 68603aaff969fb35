"""``wsi-haloae train-tiles``: reference tiles in, checkpoint out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import remove_tree
from wsi_haloae.config import Config
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.model.checkpoint import Checkpoint, file_sha256
from wsi_haloae.model.cost import describe_cost
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.model.resolve import resolve
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.added_value import report_added_value
from wsi_haloae.runs.calibrating import calibrate
from wsi_haloae.runs.fitting import STATE_NAME, FitOptions, fit
from wsi_haloae.runs.lock import locked
from wsi_haloae.runs.record import RECORD_NAME, RunRecord
from wsi_haloae.runs.reference import ReferenceOptions, ReferenceReader, choose_groups, read_anomalous
from wsi_haloae.runs.stain_matching import as_trained, match_stains, stain_target
from wsi_haloae.training.sources import CombinedSource, TileSource
from wsi_haloae.training.split import PARTS, Split, split_by_group
from wsi_haloae.training.trainer import TrainingData, plan_steps


@dataclass(frozen=True)
class TrainOptions:
    """What ``wsi-haloae train-tiles`` was asked for, beside its configuration."""

    weights: Path | None
    device: str
    reference: ReferenceOptions
    baselines: bool
    anomalous: Path | None
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
    folder = output.parent / f"{output.stem}.training"
    with locked(folder):
        _train_tiles(sources, output, folder, config, options, RunRecord("train-tiles", arguments, reporter), reporter)


def _train_tiles(
    sources: Sequence[str],
    output: Path,
    folder: Path,
    config: Config,
    options: TrainOptions,
    record: RunRecord,
    reporter: Reporter,
) -> None:
    asked, config = config, resolve(config)
    if options.overwrite:
        remove_tree(folder / "tiles")
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
        _compare(Checkpoint.load(output), source, split, options, folder, reporter)
        return
    _announce(source, config, split, reporter)
    for line in describe_cost(asked.model, config.model, source.tile_size):
        reporter.line(line)
    stains = stain_target(source, split.tiles["train"]) if config.stain.normalise else None
    seen = source if stains is None else match_stains(source, stains)
    record.lap("reference tiles")
    fit_options = FitOptions(
        weights=options.weights,
        device=resolve_device(options.device),
        folder=folder,
        identity=identity,
        workers=options.reference.workers,
        mpp=source.mpp,
        facts={
            "tiles": {part: len(split.tiles[part]) for part in PARTS},
            "groups": {part: len(split.groups[part]) for part in PARTS},
        },
    )
    data = TrainingData(seen, split.tiles["train"], split.tiles["select"])
    trained, _curve = fit(data, config, fit_options, reporter)
    trained = replace(trained, facts=trained.facts.model_copy(update={"stains": stains}))
    checkpoint = calibrate(trained, seen, split, groups, fit_options.device, reporter)
    record.lap("training")
    record.facts = {"checkpoint": {"path": str(output), **checkpoint.facts.model_dump(mode="json")}}
    record.write(folder / RECORD_NAME, "done")
    checkpoint.save(output)
    (folder / STATE_NAME).unlink(missing_ok=True)
    reporter.line(f"{output}: done; curve and reconstructions in {folder}")
    _compare(checkpoint, source, split, options, folder, reporter)


def _compare(
    checkpoint: Checkpoint, source: TileSource, split: Split, options: TrainOptions, folder: Path, reporter: Reporter
) -> None:
    """``--baselines``: what the decoder adds, after the model is safe on disk."""
    if not options.baselines:
        return
    anomalous = read_anomalous(options.anomalous, source, options.reference, reporter) if options.anomalous else None
    seen, others = as_trained(source, checkpoint), as_trained(anomalous, checkpoint) if anomalous else None
    report_added_value(checkpoint, seen, split, others, folder, resolve_device(options.device), reporter)
    reporter.line(f"{folder / 'baselines.md'}: HaloAE, its baselines and plain statistics side by side")


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
