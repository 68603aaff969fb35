"""``wsi-haloae train-tiles``: reference tiles in, checkpoint out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from wsi_haloae.config import Config
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.checkpoint import Checkpoint, file_sha256
from wsi_haloae.model.cost import describe_cost, require_memory
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.added_value import report_added_value
from wsi_haloae.runs.calibrating import calibrate
from wsi_haloae.runs.fitting import STATE_NAME, FitOptions, build, fit
from wsi_haloae.runs.helping import Helpers, help_train
from wsi_haloae.runs.lock import locked
from wsi_haloae.runs.record import RECORD_NAME, RunRecord
from wsi_haloae.runs.reference import ReferenceOptions, ReferenceReader, Stratum, choose_groups, read_anomalous
from wsi_haloae.runs.stain_matching import as_trained, match_stains, stain_target
from wsi_haloae.stores.places import place
from wsi_haloae.training.ranks import joined_ranks
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
    balance: Stratum | None
    overwrite: bool


def train_tiles(
    sources: Sequence[str],
    output: Path,
    config: Config,
    options: TrainOptions,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> None:
    """Train and write ``output`` (safetensors), with curve, pictures and record in ``<stem>.training/``.

    Of the processes of a ``torchrun``, the first does so; the others help it train.
    """
    folder, record = output.parent / f"{output.stem}.training", RunRecord("train-tiles", arguments, reporter)
    with joined_ranks() as ranks:
        if not ranks.first:
            help_train(ranks)
            return
        helpers = Helpers(ranks)
        try:
            with locked(folder):
                _train_tiles(sources, output, folder, config, options, helpers, record, reporter)
        finally:
            helpers.dismiss()


@dataclass(frozen=True)
class Reference:
    """Reference tiles, the group of each, their split, and the stratum of each tile to train on, if asked for."""

    source: CombinedSource
    groups: Sequence[str]
    split: Split
    strata: Sequence[str] | None

    @classmethod
    def read(
        cls, sources: Sequence[str], config: Config, options: TrainOptions, folder: Path, reporter: Reporter
    ) -> Self:
        """Annotated slides are tiled below ``folder`` first, once everything about them has been checked."""
        if any(place(source).is_file() for source in sources):  # of other sources the tiles are there
            check_tile_size(config.model, options.reference.settings.tile_size)
        reader = ReferenceReader(
            options.reference, config.tissue, folder / "tiles", reporter, overwrite=options.overwrite
        )
        source = reader.read(sources)
        check_tile_size(config.model, source.tile_size)
        require_memory(config.model, source.tile_size)
        groups = choose_groups(source, len(PARTS), reporter.warn)
        split = split_by_group(groups, config.split, config.training.seed, reader.fixed_parts())
        if len(split.tiles["select"]) < 2:
            raise UsageError("the colour scale needs at least two held-out (select) tiles; give more groups or images.")
        if options.balance is None:
            return cls(source, groups, split, None)
        strata = reader.strata(source, options.balance)
        return cls(source, groups, split, [strata[number] for number in split.tiles["train"]])


def _train_tiles(
    sources: Sequence[str],
    output: Path,
    folder: Path,
    asked: Config,
    options: TrainOptions,
    helpers: Helpers,
    record: RunRecord,
    reporter: Reporter,
) -> None:
    config, device = resolve(asked), resolve_device(options.device)
    reference = Reference.read(sources, config, options, folder, reporter)
    anomalous = None
    if options.anomalous is not None:
        anomalous = read_anomalous(options.anomalous, reference.source, options.reference, reporter)
    identity = _identity(config, reference.source, reference.split, options)
    if options.overwrite:
        build(config, reference.source.tile_size, options.weights)  # whose weights may be missing
        # Only now: whatever was wrong with the command has been said.
        output.unlink(missing_ok=True)
        (folder / STATE_NAME).unlink(missing_ok=True)
    if output.exists():
        _require_same(output, identity)
        reporter.line(f"{output}: trained already, nothing to do")
        checkpoint = Checkpoint.load(output)
    else:
        _announce(reference, config, options, reporter)
        for line in describe_cost(asked.model, config.model, reference.source.tile_size):
            reporter.line(line)
        record.lap("reference tiles")
        checkpoint = _trained(reference, config, options, folder, identity, device, helpers, reporter)
        record.lap("training")
        record.facts = {"checkpoint": {"path": str(output), **checkpoint.facts.model_dump(mode="json")}}
        record.write(folder / RECORD_NAME, "done")
        checkpoint.save(output)
        (folder / STATE_NAME).unlink(missing_ok=True)
        reporter.line(f"{output}: done; curve and reconstructions in {folder}")
    if options.baselines:
        _compare(checkpoint, reference, anomalous, folder, device, reporter)


def _trained(
    reference: Reference,
    config: Config,
    options: TrainOptions,
    folder: Path,
    identity: str,
    device: torch.device,
    helpers: Helpers,
    reporter: Reporter,
) -> Checkpoint:
    """A checkpoint that can score."""
    source, split = reference.source, reference.split
    glass = config.scoring.glass_level
    stains = stain_target(source, split.tiles["train"], glass) if config.stain.normalise else None
    seen = source if stains is None else match_stains(source, stains, glass)
    fit_options = FitOptions(
        weights=options.weights,
        device=helpers.ranks.device(device),
        folder=folder,
        identity=identity,
        workers=options.reference.workers,
        mpp=source.mpp,
        facts={
            "tiles": {part: len(split.tiles[part]) for part in PARTS},
            "groups": {part: len(split.groups[part]) for part in PARTS},
        },
        helpers=helpers,
    )
    data = TrainingData(seen, split.tiles["train"], split.tiles["select"], reference.strata)
    trained, _curve = fit(data, config, fit_options, reporter)
    trained = trained.with_facts(stains=stains)
    return calibrate(trained, seen, split, reference.groups, fit_options.device, reporter)


def _compare(
    checkpoint: Checkpoint,
    reference: Reference,
    anomalous: TileSource | None,
    folder: Path,
    device: torch.device,
    reporter: Reporter,
) -> None:
    """``--baselines``: what the decoder adds, after the model is safe on disk."""
    seen = as_trained(reference.source, checkpoint)
    others = as_trained(anomalous, checkpoint) if anomalous else None
    report_added_value(checkpoint, seen, reference.split, others, folder, device, reporter)
    reporter.line(f"{folder / 'baselines.md'}: HaloAE, its baselines and plain statistics side by side")


def _announce(reference: Reference, config: Config, options: TrainOptions, reporter: Reporter) -> None:
    source, split = reference.source, reference.split
    per_epoch, steps = plan_steps(config, len(split.tiles["train"]))
    reporter.line(f"reference tiles: {len(source.groups):,} of {source.tile_size} px at {source.mpp:.4g} µm/px")
    reporter.line(f"split by group: {split.describe()}")
    if reference.strata is not None:
        reporter.line(f"{len(set(reference.strata))} {options.balance}s to train on, each as often as any other")
    reporter.line(f"training: {steps} steps, {per_epoch} per epoch")


def _identity(config: Config, source: CombinedSource, split: Split, options: TrainOptions) -> str:
    """Digest of configuration, tiles, their order and weights: what an interrupted training may be resumed with."""
    told = {
        "config": config.model_dump(mode="json"),
        "source": [source.digest(), source.tile_size, source.mpp],
        "weights": file_sha256(options.weights) if options.weights else None,
        "balance": options.balance,
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
