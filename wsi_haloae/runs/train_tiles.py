"""``wsi-haloae train-tiles``: reference tiles in, checkpoint out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import remove_leftovers
from wsi_haloae.config import Config, announce_encoder
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.cost import describe_cost, warn_on_cpu
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.places import is_file_here, place
from wsi_haloae.tiles.reference import ReferenceOptions, ReferenceReader, Stratum, read_anomalous
from wsi_haloae.training.added_value import report_added_value
from wsi_haloae.training.distributed import Helpers, help_train
from wsi_haloae.training.fit import require_features
from wsi_haloae.training.job import STATE_NAME
from wsi_haloae.training.ranks import joined_ranks
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.train import finished_checkpoint, train_on
from wsi_haloae.workspace.lock import locked, remove_unused
from wsi_haloae.workspace.recorder import RunRecorder


@dataclass(frozen=True)
class TrainOptions:
    """Options of ``wsi-haloae train-tiles`` except its configuration; those of the tiles are in ``reference``."""

    reference: ReferenceOptions
    weights: Path | None = None
    device: str = "auto"
    baselines: bool = False
    anomalous_dir: Path | None = None
    balance: Stratum | None = None
    overwrite: bool = False
    threads: int | None = None


def training_folder(output: Path) -> Path:
    """The folder for everything that a training writes beside the checkpoint ``output``."""
    return output.parent / f"{output.stem}.training"


def train_tiles(
    sources: Sequence[str],
    output: Path,
    config: Config,
    options: TrainOptions,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> None:
    """Train and write ``output`` (safetensors), with curve, pictures and record in ``<stem>.training/``.

    Under ``torchrun`` the first process does all of this; the others only help to train.
    """
    ready_to_compute(options.threads)
    folder, record = training_folder(output), RunRecorder("train-tiles", arguments, reporter)
    with joined_ranks() as ranks:
        if not ranks.first:
            help_train(ranks)
            return
        helpers = Helpers(ranks)
        try:
            with locked(folder, reporter.warn):
                remove_leftovers(output)
                _train_tiles(sources, output, folder, config, options, helpers, record, reporter)
        except WsiHaloaeError:
            remove_unused(folder)
            raise
        finally:
            helpers.dismiss()


def _train_tiles(
    sources: Sequence[str],
    output: Path,
    folder: Path,
    asked: Config,
    options: TrainOptions,
    helpers: Helpers,
    record: RunRecorder,
    reporter: Reporter,
) -> None:
    for line in announce_encoder(asked.model.features):
        reporter.line(line)
    config, device = resolve(asked), resolve_device(options.device)
    if any(is_file_here(place(source)) for source in sources):  # slides are still to be tiled
        check_tile_size(config.model, options.reference.settings.tile_size)
    reader = ReferenceReader(
        options.reference, config.tissue, folder / "tiles", reporter, overwrite=options.overwrite,
        before_long=partial(require_features, config, options.weights)
        if options.overwrite or not output.exists() else None,
    )  # fmt: skip
    reference = Reference.read(reader, sources, config, options.balance, reporter)
    others = options.anomalous_dir
    anomalous = read_anomalous(others, reference.source, options.reference, reporter) if others else None
    identity = reference.identity(config, options.weights)
    if options.overwrite:
        # Only now: every error in the command has been reported.
        output.unlink(missing_ok=True)
        (folder / STATE_NAME).unlink(missing_ok=True)
    if output.exists():
        checkpoint = finished_checkpoint(output, identity)
        reporter.line(f"{output}: trained already, nothing to do")
    else:
        tile_size = reference.source.tile_size
        for line in (*reference.describe(config), *describe_cost(asked.model, config.model, tile_size)):
            reporter.line(line)
        warn_on_cpu(config.model, tile_size, device, reporter.warn)
        record.lap("reference tiles")
        checkpoint = train_on(
            reference, config, folder, device, helpers, reporter,
            identity=identity, weights=options.weights, workers=options.reference.num_workers,
        )  # fmt: skip
        record.lap("training")
        record.facts = {"checkpoint": {"path": str(output), **checkpoint.facts.model_dump(mode="json")}}
        record.write(folder, "done")
        checkpoint.save(output)
        (folder / STATE_NAME).unlink(missing_ok=True)
        reporter.line(f"{output}: done; curve and reconstructions in {folder}")
    if options.baselines or anomalous:  # after the model is safe on disk
        report_added_value(checkpoint, reference, anomalous, folder, device, reporter)
