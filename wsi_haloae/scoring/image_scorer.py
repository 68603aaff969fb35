"""Residuals of whole test sets, kept on the feature map's grid, and every way to score by them (Table S2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsi_haloae.config import RULES, ScoringConfig
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.features.preprocessing import to_unit
from wsi_haloae.model.anomaly_map import normalise_map, smooth, upsample
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.residuals import residuals
from wsi_haloae.progress import Advance
from wsi_haloae.scoring.apply_rule import map_by, score_by
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.pooling import POOLINGS

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class ImageResiduals:
    """Residuals of n images before normalisation; None if the blocks they need were not trained.

    ``score`` belongs to a rule with numbers; it is None for a rule that pools the map. ``own`` is the finished map of a
    rule that shows one of its own. All take 16 KB per image at the
    paper's size, so a test set of thousands fits into memory.
    """

    features: Tensor  # (n, m, m)
    image: Tensor | None  # (n, m, m)
    damaged: NDArray[np.float32] | None  # (n,)
    score: NDArray[np.float32] | None  # (n,)
    own: Tensor | None = None  # (n, m, m)


@dataclass(frozen=True)
class ImageScores:
    """Final maps (n, m, m), and one score per image (n,)."""

    maps: Tensor
    score: NDArray[np.float32]

    def pixels(self, size: int) -> Maps:
        """The maps resized to ``size`` pixels per side, (n, size, size)."""
        return upsample(self.maps, size).numpy()


@torch.inference_mode()
def image_residuals(
    checkpoint: Checkpoint, batches: Iterable[NDArray[np.uint8]], device: torch.device, advance: Advance
) -> ImageResiduals:
    """Residuals of uint8 images, batches of (b, s, s, 3)."""
    config = checkpoint.facts.config
    model = InferenceModel(checkpoint.model, device)
    feature_range = checkpoint.feature_range.to(device)
    rule, reference = RULES[config.scoring.rule], Reference.of(checkpoint, device)
    has_numbers, decode = rule.numbers is not None, config.loss.cls or config.loss.im
    features, image, damaged, score, own = [], [], [], [], []
    for batch in batches:
        unit = to_unit(torch.from_numpy(batch).to(device))
        found = residuals(model, unit, feature_range, config, decode=decode, compared=rule.compared)
        features.append(found.features.float().cpu())
        measured = Measured(found, torch.ones_like(found.features, dtype=torch.bool), reference)
        if rule.shows is not None:
            own.append(map_by(rule, measured, config.scoring).float().cpu())
        if has_numbers:
            score.append(score_by(rule, measured, config.scoring).float().cpu().numpy())
        if found.image is not None and found.damaged is not None:
            image.append(found.image.float().cpu())
            damaged.append(found.damaged.float().cpu().numpy())
        advance(len(batch))
    return ImageResiduals(
        torch.cat(features),
        torch.cat(image) if config.loss.im else None,
        np.concatenate(damaged) if config.loss.cls else None,
        np.concatenate(score) if has_numbers else None,
        torch.cat(own) if own else None,
    )


def score_residuals(found: ImageResiduals, checkpoint: Checkpoint) -> ImageScores:
    """Maps and scores of images by the checkpoint's rule; a pooled score is computed from the final map."""
    scoring = checkpoint.facts.config.scoring
    assert scoring.for_images, "checked before the training"
    how = scoring.by(RULES[scoring.rule])
    if found.own is not None:
        return ImageScores(found.own, _pooled(found.own, how))
    if how.source == "image":
        residual, mean_map = found.image, checkpoint.mean_image_map
    else:
        residual, mean_map = found.features, checkpoint.mean_map
    assert residual is not None and mean_map is not None, "the configuration was checked to train this residual"
    maps = finish(residual, mean_map, how)
    if found.score is not None:
        return ImageScores(maps, found.score)
    return ImageScores(maps, _pooled(maps, how))


def _pooled(maps: Tensor, how: ScoringConfig) -> NDArray[np.float32]:
    everywhere = torch.ones_like(maps, dtype=torch.bool)
    return POOLINGS[how.pooling](maps, everywhere).numpy()


def finish(residual: Tensor, mean_map: Tensor, how: ScoringConfig) -> Tensor:
    """Residual (n, m, m) -> normalised -> smoothed, as set in ``how``."""
    maps = normalise_map(residual, mean_map.cpu(), how.normalisation)
    return smooth(maps) if how.smooth else maps


@dataclass(frozen=True)
class Variant:
    """One way of scoring (paper, Table S2): maps, and the score of each image by their mean and by their maximum.

    The classifier has no map; its score, P(damaged), is stored as ``mean``.
    """

    name: str
    maps: Tensor | None  # (n, m, m)
    mean: NDArray[np.float32]  # (n,)
    maximum: NDArray[np.float32] | None  # (n,)


_STEPS = (
    ("", "none", False),
    (", normalised", "absolute", False),
    (", normalised and filtered", "absolute", True),
    (", signed and filtered", "signed", True),
)


def all_variants(found: ImageResiduals, checkpoint: Checkpoint) -> Iterator[Variant]:
    """Every row of Table S2, and the signed variants; variants that need untrained blocks are left out."""
    if found.damaged is not None:
        yield Variant("classifier, P(damaged)", None, found.damaged, None)
    pairs = (("A_im", found.image, checkpoint.mean_image_map), ("A_fm", found.features, checkpoint.mean_map))
    for source, residual, mean_map in pairs:
        if residual is None or mean_map is None:
            continue
        for label, normalisation, smoothed in _STEPS:
            how = ScoringConfig.model_validate({"normalisation": normalisation, "smooth": smoothed})
            maps = finish(residual, mean_map, how)
            yield Variant(source + label, maps, maps.mean(dim=(1, 2)).numpy(), maps.amax(dim=(1, 2)).numpy())
