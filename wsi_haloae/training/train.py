"""Trains a model for slides on reference tiles: stains matched, model trained, rules and scales learned, calibrated."""

from __future__ import annotations

from pathlib import Path

import torch

from wsi_haloae.calibration.circumstances import Circumstances
from wsi_haloae.config import Config
from wsi_haloae.engine.inference import default_precision
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.parts import PARTS
from wsi_haloae.scoring.stain_matching import match_stains, stain_target
from wsi_haloae.training.calibrate import afterwards, calibrate
from wsi_haloae.training.distributed import Helpers
from wsi_haloae.training.fit import fit
from wsi_haloae.training.identity import Identity, require_same
from wsi_haloae.training.job import TrainingData, TrainingJob
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.trained_on import trained_on


def train_on(
    reference: Reference,
    config: Config,
    folder: Path,
    device: torch.device,
    helpers: Helpers,
    reporter: Reporter,
    *,
    identity: Identity,
    weights: Path | None,
    workers: int,
) -> Checkpoint:
    """A checkpoint that can score slides; curve, pictures and the state of an interrupted training go to ``folder``."""
    source, split = reference.source, reference.split
    glass = config.scoring.glass_level
    stains = stain_target(source, split.tiles["train"], glass) if config.stain.normalise else None
    seen = source if stains is None else match_stains(source, stains, glass)
    job = TrainingJob(
        config,
        TrainingData(seen, split.tiles["train"], split.tiles["validation"], reference.strata),
        folder,
        identity,
        device,
        weights=weights,
        workers=workers,
        mpp=source.mpp,
        facts={
            "tiles": {part: len(split.tiles[part]) for part in PARTS},
            "groups": {part: len(split.groups[part]) for part in PARTS},
        },
        afterwards=afterwards(config, seen, split, reference.groups),
    )
    trained, _curve = fit(job, reporter, helpers)
    trained = trained.with_facts(stains=stains, colour_profile=source.colour_profile)
    own = helpers.ranks.device(device)
    trained = calibrate(trained, seen, split, reference.groups, own, reporter)
    trained = trained.with_facts(calibrated=Circumstances(precision=default_precision(own), blocks=reference.blocks))
    return trained.knowing(trained_on(reference, reporter))


def finished_checkpoint(path: Path, identity: Identity) -> Checkpoint:
    """The checkpoint that an earlier training of this identity wrote; `OutputExistsError` for one of another."""
    checkpoint = Checkpoint.load(path)
    facts = checkpoint.facts
    require_same(path, facts.training.get("identity"), identity, source=facts.backbone_source)
    return checkpoint
