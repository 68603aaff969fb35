"""Training on one category's reference images, or the model that an earlier run trained on them."""

from __future__ import annotations

from pathlib import Path

import torch

from wsi_haloae.config import Config
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.mvtec.category import CategoryImages
from wsi_haloae.mvtec.category_folder import MODEL_NAME
from wsi_haloae.mvtec.image_learning import learn_rule
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.training.calibrate import BATCH, set_display_range
from wsi_haloae.training.fit import fit
from wsi_haloae.training.identity import Identity
from wsi_haloae.training.job import STATE_NAME, TrainingJob
from wsi_haloae.training.pictures import write_schedule
from wsi_haloae.training.trainer import plan_steps


def train_category(
    category: CategoryImages,
    folder: Path,
    config: Config,
    device: torch.device,
    identity: Identity,
    reporter: Reporter,
    *,
    weights: Path | None,
    workers: int,
) -> Checkpoint:
    """The trained model, also saved in ``folder`` with pictures of its training.

    A model that is there already is loaded: it must be of this ``identity``.
    """
    per_epoch, steps = plan_steps(config, len(category.data.train))
    path, trained_already = folder / MODEL_NAME, (folder / MODEL_NAME).exists()
    what = "trained already, now measured" if trained_already else f"{steps} steps"
    reporter.line(f"{category.images.name}: {len(category.data.train)} training images, {what}")
    if trained_already:
        return Checkpoint.load(path)
    job = TrainingJob(
        config,
        category.data,
        folder,
        identity,
        device,
        weights=weights,
        workers=workers,
        facts={"images": {"train": len(category.data.train), "validation": len(category.data.validation)}},
    )
    trained, curve = fit(job, reporter)
    data = category.data
    trained = learn_rule(trained, data, device)
    scores = score_source(Scorer(trained, device, BATCH), data.source, data.validation, lambda _: None)
    checkpoint = set_display_range(trained, scores.score)
    write_schedule(folder / "ews.png", config, steps, per_epoch, curve)
    checkpoint.save(path)
    (folder / STATE_NAME).unlink(missing_ok=True)
    return checkpoint
