"""The smallest model that has every part, for the tests of model, training and scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.reference import HeldOut, ReferenceDescriptors
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.config import Config, ModelConfig, load_config
from wsi_haloae.model.basis import Basis
from wsi_haloae.model.checkpoint import Checkpoint, CheckpointFacts
from wsi_haloae.model.descriptor_tensors import DescriptorModel
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.haloae import HaloAE

torch.set_num_threads(1)  # models this small only wait for their threads

LIMITS = ArtefactLimits(focus=0.05, ink_share=0.02, fold_ratio=0.9, glass_share=0.5, tiles=30)
TILE = 48
"""The smallest tile size: 12 x 12 cells."""
STAGE = {"mid": 8, "out": 8, "heads": 1, "kernel": 3}
TINY: dict[str, Any] = {
    "features": {"backbone": "random", "random_width": 0.03},
    "attention": {"block_size": 5, "halo_size": 1, "dim_head": 4},
    "autoencoder": {
        "head_width": 8,
        "head_kernel": 5,
        "encoder": [STAGE],
        "decoder": [{"mid": 8, "out": None, "heads": 1, "kernel": 1}],
    },
    "image_decoder": {"widths": [4]},
}


def tiny_config(**training: Any) -> Config:
    settings = {
        "steps": 4,
        "originals_per_batch": 2,
        "learning_rate": 3e-3,
        "statistics_tiles": 8,
        "validation_tiles": 4,
    }
    return Config.model_validate({"model": TINY, "training": {**settings, **training}})


def tiny_model(seed: int = 0, tile_size: int = TILE, **changes: Any) -> HaloAE:
    torch.manual_seed(seed)
    return HaloAE(ModelConfig.model_validate({**TINY, **changes}), tile_size)


EVERY_INGREDIENT: dict[str, Any] = {
    "attention": {"block_size": 6, "halo_size": 1, "dim_head": 4, "mask_neighbours": 2},
    "autoencoder": {**TINY["autoencoder"], "code_rank": 3, "code_dropout": 0.5},
    "recentre": "tile",
}
"""Changes of the model: everything that is to keep block C from copying."""


def tiny_checkpoint(seed: int = 0, **changes: Any) -> Checkpoint:
    """Of the smallest model, with `changes` of its configuration."""
    return checkpoint_around(tiny_model(seed, **changes), seed)


def checkpoint_around(model: HaloAE, seed: int = 0) -> Checkpoint:
    """With statistics that differ in every number, so that swapping any of them is seen."""
    model.eval()
    channels = model.backbone.channels
    torch.manual_seed(seed + 1)
    model.standardise.fit(torch.rand(channels), torch.rand(channels) + 0.5, model.backbone.layer_channels, 0.1)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
    facts = CheckpointFacts(
        config=tiny_config().model_copy(update={"model": model.config}),
        tile_size=model.tile_size,
        mpp=0.5,
        display_range=(0.25, 4.0),
        backbone_source="random",
        training={"identity": "x", "validation_fm": 0.5},
    )
    m, layers = model.map_size, len(model.backbone.layers)
    maps = torch.rand(m, m), torch.rand(channels) + 0.5, torch.rand(m, m)
    sizes = {"layers": layers, "layers_ssim": 2 * layers, "profile": channels, "content": channels, "combined": 3}
    gaussians = {
        name: Gaussian(torch.rand(numbers), torch.eye(numbers) + 0.1 * torch.rand(1)) for name, numbers in sizes.items()
    }
    calibration = ConformalCalibration.fit(torch.rand(30).numpy(), np.repeat(np.arange(10), 3).astype(str))
    facts = facts.model_copy(update={"calibration": calibration.facts, "artefacts": LIMITS})
    described = tiny_descriptors(2 * channels)
    unknown = described.reference.metric.unknown
    gaussians["descriptor"] = Gaussian(
        *(torch.from_numpy(part).float() for part in (unknown.centre, unknown.precision))
    )
    for name, numbers in {"whitened": channels, "layers_apart": layers}.items():
        varied = torch.linspace(0.5, 2, numbers)
        gaussians[name] = Gaussian(varied - 1, torch.diag(varied) + 0.1)
    return Checkpoint(facts, model, *maps, gaussians, calibration, described)


def tiny_descriptors(numbers: int, size: int = 5) -> DescriptorModel:
    """Of the tiles with these measured ``numbers``, and held-out ones of 6 groups."""
    random = np.random.default_rng(numbers)
    axes = torch.from_numpy(np.linalg.qr(random.normal(size=(numbers, size)))[0]).float().contiguous()
    basis = Basis(torch.rand(numbers), torch.rand(numbers) + 0.5, axes)
    metric = Metric(random.normal(size=size), np.eye(size) + 0.2, 2 * np.eye(size) + 0.1)
    held_out = random.normal(size=(60, size)).astype(np.float16)
    groups = np.repeat(np.arange(6, dtype=np.int32), 10)
    step = 128 * (np.arange(60) % 10)  # each group is a row of one slide
    positions = np.stack([np.zeros(60), step, 128 * groups], axis=1).astype(np.float32)
    parts = groups < 3, groups >= 3
    folds = tuple(HeldOut(metric, held_out[own], groups[own], positions[own]) for own in parts)
    reference = ReferenceDescriptors(metric, folds)
    return DescriptorModel(basis, ReferenceDescriptors.of(reference.arrays()))


def meta_model(preset: str, *settings: str, tile_size: int = 256) -> HaloAE:
    """A model without memory: shapes only."""
    with torch.device("meta"):
        return HaloAE(load_config(preset, settings).model, tile_size)
