"""One run of the decoder study: a set, a row and a seed. Features from disk -> training -> scores -> judgement."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.atomic import replacing, write_text
from wsi_haloae.baselines.image_baselines import code_width
from wsi_haloae.config import Config
from wsi_haloae.documents import read_document
from wsi_haloae.experiments.decoder.cache import FeatureMaps
from wsi_haloae.experiments.decoder.judgement import judge, methods_of
from wsi_haloae.experiments.decoder.kept import KeptSet
from wsi_haloae.experiments.decoder.methods_file import load_methods, save_methods
from wsi_haloae.experiments.decoder.model import begin
from wsi_haloae.experiments.decoder.rivals import rivals_of
from wsi_haloae.experiments.decoder.scores import DecoderScorer
from wsi_haloae.experiments.decoder.training import DecoderTrainer, Mark
from wsi_haloae.model.anomaly_map import residual_map
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.model.cosine import Directions
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.pooling import counted
from wsi_haloae.training.identity import Identity
from wsi_haloae.training.job import STATE_NAME
from wsi_haloae.training.synthetic_mark import share_won

RESULT_NAME, DRAWS_NAME = "result.json", "draws.npz"
TRAINED_NAME, SCORES_NAME = "trained.json", "scores.npz"
JUDGED_BY = 2
"""Raised when tiles are to be judged otherwise: runs that are done are then judged anew, without training."""


def run_decoder(
    given: KeptSet,
    config: Config,
    folder: Path,
    rivals_folder: Path,
    facts: Mapping[str, Any],
    identity: Identity,
    device: torch.device,
    reporter: Reporter,
) -> None:
    """Train and judge; ``result.json`` and ``draws.npz`` go to ``folder``. A run that is done is skipped.

    ``facts`` (row, set, seed, backbone) become part of the result. Rivals are kept in ``rivals_folder``, because they
    are the same for all rows with the same features.
    """
    trained = read_document(folder / TRAINED_NAME)
    if trained.get("identity") != identity:
        trained = _train(given, config, folder, rivals_folder, facts, identity, device, reporter)
    if read_document(folder / RESULT_NAME).get("judged_by") == [identity, JUDGED_BY]:
        reporter.line(f"{folder}: done already, skipped")
        return
    decoder, rivals = load_methods(folder / SCORES_NAME), load_methods(rivals_folder / trained["rivals"])
    with reporter.timed("judging"):
        judgement, draws = judge(given.tiles, decoder, rivals)
    with replacing(folder / DRAWS_NAME) as partial, partial.open("wb") as stream:
        np.savez(stream, **dict[str, Any](draws))
    record = {**trained, "judged_by": [identity, JUDGED_BY], "judgement": asdict(judgement)}
    write_text(folder / RESULT_NAME, json.dumps(record, indent=1) + "\n")


def _train(
    given: KeptSet,
    config: Config,
    folder: Path,
    rivals_folder: Path,
    facts: Mapping[str, Any],
    identity: Identity,
    device: torch.device,
    reporter: Reporter,
) -> dict[str, Any]:
    """Train, and leave the scores of decoder and rivals in files; returns what is known of the training."""
    begun = time.monotonic()
    model, feature_range = begin(given.kept, config, device, reporter)
    mark = _residual_mark(given, config, device)
    done = DecoderTrainer(model, feature_range, given.kept, config, mark, folder, identity, device).fit(reporter)
    model.eval()
    checkpoint = _checkpoint(config, model, feature_range, given.kept.tile_size)
    components = code_width(checkpoint)
    with reporter.timed("scoring"):
        train, validation = given.batches("train"), given.batches("validation")
        scorer = DecoderScorer.taught(checkpoint, train, validation, device, aligned=given.tiles.local)
        decoder = methods_of(given, scorer)
        smoothed = config.scoring.smooth
        rivals = rivals_of(given, model, components, rivals_folder, device, reporter, smoothed=smoothed)
    save_methods(decoder, folder / SCORES_NAME)
    trained = {
        "identity": identity,
        **facts,
        "steps": done.step,
        "best_step": done.curve[done.best_epoch - 1].step,
        "seconds_per_step": done.seconds / done.step,
        "cpu_seconds_per_step": done.cpu_seconds / done.step,
        "seconds": time.monotonic() - begun,
        "curve": [asdict(epoch) for epoch in done.curve],
        "components": components,
        "residual": float(decoder.usual["tissue"].mean()),
        "pca_residual": float(load_methods(rivals).usual["PCA, mean"].mean()),
        "rivals": rivals.name,
    }
    write_text(folder / TRAINED_NAME, json.dumps(trained, indent=1) + "\n")
    (folder / STATE_NAME).unlink(missing_ok=True)
    return trained


def _residual_mark(given: KeptSet, config: Config, device: torch.device) -> Mark:
    """The mark of `training.synthetic_mark`, on the synthetic anomalies of calibration tiles."""

    @torch.inference_mode()
    def residuals_of(model: HaloAE, maps: FeatureMaps, numbers: NDArray[np.int64] | None) -> tuple[Tensor, Tensor]:
        found, tissue = [], []
        for raw, cells in maps.batches(numbers):
            features = model.features(raw.to(device))
            rebuilt = model.reconstruct(features)
            by_direction = config.loss.fm_terms == "cosine"
            unlike = Directions.of(config, model.backbone.layer_channels).apart if by_direction else residual_map
            found.append(unlike(features, rebuilt).cpu())
            tissue.append(counted(cells))
        return torch.cat(found), torch.cat(tissue)

    def mark(model: HaloAE) -> float:
        usual, cells = residuals_of(model, given.kept.reference, given.usual)
        marks = []
        for kind, maps in given.synthetic.items():
            found, tissue = residuals_of(model, maps, None)
            changed = torch.from_numpy(given.changed[kind]) if given.changed else torch.ones_like(tissue)
            won = [share_won(*one, usual, cells) for one in zip(found, tissue & changed, strict=True)]
            marks.append(np.mean([share for share in won if share is not None]))
        return float(np.mean(marks))

    return mark


def _checkpoint(config: Config, model: HaloAE, feature_range: Tensor, tile_size: int) -> Checkpoint:
    """The trained model as scoring takes it; the mean map is measured later."""
    facts = CheckpointFacts(
        config=config,
        tile_size=tile_size,
        mpp=None,
        display_range=(0.0, 1.0),
        backbone_source="features from disk",
        training={},
    )
    return Checkpoint(facts, model, torch.zeros(model.map_size, model.map_size), feature_range)
