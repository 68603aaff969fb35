"""One category: train on its reference images, score its test images, and evaluate the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.baselines.image_baselines import BaselineScores, has_comparable_pca, run_baselines
from wsi_haloae.config import rule_words
from wsi_haloae.evaluation.interval import image_interval
from wsi_haloae.evaluation.metrics import auroc, average_precision
from wsi_haloae.evaluation.pixel_bootstrap import PixelBootstrap
from wsi_haloae.evaluation.pixel_figures import PAPER_SIZE, SIZE, Masks, pixel_figures
from wsi_haloae.model.anomaly_map import upsample
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.mvtec.category_result import CategoryResult, Convergence, ImageFigures, Row, TestData, VariantRow
from wsi_haloae.mvtec.image_reading import median_grey, read_mask
from wsi_haloae.mvtec.image_set import ImageSet
from wsi_haloae.mvtec.image_source import ImageSource
from wsi_haloae.mvtec.image_statistics import deciding_statistics, image_statistics
from wsi_haloae.mvtec.paper_figures import TABLE_1
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.image_scorer import (
    ImageResiduals,
    ImageScores,
    Variant,
    all_variants,
    image_residuals,
    score_residuals,
)
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.training.job import TrainingData

HELD_OUT = 0.1
"""Share of the training images held out for early stopping and for comparison with PCA; at least two images."""
BATCH = 16

Normalise = Literal["none", "median"]


@dataclass(frozen=True)
class CategoryImages:
    """The images of one category; ``other`` holds the test images with the other treatment of brightness.

    If ``test`` images are unchanged, ``other`` images are divided by their median grey, and the other way round.
    """

    images: ImageSet
    data: TrainingData
    test: ImageSource
    other: ImageSource
    normalise: Normalise

    @classmethod
    def open(cls, images: ImageSet, normalise: Normalise, seed: int) -> CategoryImages:
        """Split the training images by ``seed``; images are scaled to the median grey of the training images."""
        plain = ImageSource(images.train_folder, images.train, SIZE)
        target = float(np.median([median_grey(plain.read(number)) for number in range(len(images.train))]))
        train = plain if normalise == "none" else ImageSource(images.train_folder, images.train, SIZE, target)
        order = np.random.default_rng((seed, 3)).permutation(len(images.train))
        held_out = max(2, round(HELD_OUT * len(order)))
        data = TrainingData(train, np.sort(order[held_out:]), np.sort(order[:held_out]))
        files = [image.path for image in images.test]
        versions = [ImageSource(images.test_folder, files, SIZE, median) for median in (None, target)]
        if normalise == "median":
            versions.reverse()
        return cls(images, data, versions[0], versions[1], normalise)

    @property
    def defects(self) -> list[str]:
        """Kind of defect of each test image."""
        return [image.defect for image in self.images.test]

    def masks(self) -> Masks | None:
        """Masks of the test images whose pixels are all known, in their order; None if no defect is marked."""
        known = [image for image, there in zip(self.images.test, self.images.has_mask, strict=True) if there]
        if not any(image.masks for image in known):
            return None
        full, half = (
            np.stack([read_mask(i.masks, size) if i.masks else np.zeros((size, size), bool) for i in known])
            for size in (SIZE, PAPER_SIZE)
        )
        return Masks(full, half)


@dataclass(frozen=True)
class Judged:
    """Everything that the outputs are made of."""

    result: CategoryResult
    residuals: ImageResiduals
    scores: ImageScores
    baselines: list[BaselineScores]
    validation_top: float
    masks: Masks | None


def judge(
    category: CategoryImages, checkpoint: Checkpoint, device: torch.device, reporter: Reporter, *, baselines: bool
) -> Judged:
    """Score the test images by the checkpoint's rule and by every other rule, and compare with the truth."""
    images = category.images
    with reporter.track("Scoring", 2 * len(images.test), "images") as advance:
        found, other = (
            image_residuals(checkpoint, _batches(source), device, advance) for source in (category.test, category.other)
        )
    held_out = image_residuals(
        checkpoint, _batches(category.data.source, category.data.validation), device, lambda _: None
    )
    compared: list[BaselineScores] = []
    if has_comparable_pca(checkpoint):
        compared = run_baselines(
            checkpoint,
            category.data.source,
            category.data.train,
            category.data.validation,
            category.test,
            device,
            reporter,
            everything=baselines,
        )
    scores, masks = score_residuals(found, checkpoint), category.masks()
    reporter.line("measuring AUROC, average precision and AUPRO, and their intervals")
    result = _result(category, checkpoint, found, score_residuals(other, checkpoint), held_out, compared, masks)
    validation_maps = score_residuals(held_out, checkpoint).maps
    top = float(np.percentile(validation_maps.numpy(), 99.9))
    return Judged(result, found, scores, compared, top, masks)


def _result(
    category: CategoryImages,
    checkpoint: Checkpoint,
    found: ImageResiduals,
    other: ImageScores,
    held_out: ImageResiduals,
    compared: list[BaselineScores],
    masks: Masks | None,
) -> CategoryResult:
    images, config = category.images, checkpoint.facts.config
    anomalous, known = images.anomalous, images.has_mask
    scores = score_residuals(found, checkpoint)
    statistics = image_statistics(
        [image.path for image in images.test], (category.test.read(n) for n in range(len(images.test)))
    )
    own, theirs = auroc(scores.score, anomalous), auroc(other.score, anomalous)
    plain, median = (own, theirs) if category.normalise == "none" else (theirs, own)
    bootstrap = PixelBootstrap(masks.full, anomalous[known], seed=0) if masks else None
    maps = scores.pixels(SIZE)[known]
    variants = tuple(_variant_row(one, anomalous, known, masks) for one in all_variants(found, checkpoint))
    baseline_rows = tuple(_row(one.name, one.scores, anomalous, known, masks) for one in compared)
    return CategoryResult(
        data=TestData(
            images.name,
            train=len(category.data.train),
            validation=len(category.data.validation),
            reference=int((~anomalous).sum()),
            anomalous=int(anomalous.sum()),
            with_mask=int((anomalous & known).sum()),
        ),
        backbone=f"{config.model.features.backbone} ({checkpoint.facts.backbone_source})",
        steps=int(checkpoint.facts.training["steps"]),
        seed=config.training.seed,
        normalise=category.normalise,
        rule=rule_words(config.scoring),
        image=ImageFigures(own, image_interval(scores.score, anomalous, auroc), plain, median),
        pixel=_row("", scores, anomalous, known, masks).pixel,
        intervals=bootstrap.intervals(maps) if bootstrap else None,
        variants=variants,
        baselines=baseline_rows,
        against_pca=bootstrap.compare(maps, compared[0].scores.pixels(SIZE)[known]) if bootstrap and compared else None,
        convergence=Convergence(
            components=int(compared[0].name.split()[0].removeprefix("PCA-")),
            held_out=float(held_out.features.mean()),
            pca=compared[0].held_out,
        )
        if compared
        else None,
        no_model={name: auroc(values, anomalous) for name, values in statistics.items()},
        decided_by=tuple(deciding_statistics(statistics, anomalous)),
        paper=TABLE_1.get(images.name),
    )


def _row(
    name: str, scores: ImageScores, anomalous: NDArray[np.bool_], known: NDArray[np.bool_], masks: Masks | None
) -> Row:
    pixel = None
    if masks is not None:
        pixel = pixel_figures(scores.pixels(SIZE)[known], scores.pixels(PAPER_SIZE)[known], masks)
    return Row(name, auroc(scores.score, anomalous), pixel)


def _variant_row(
    one: Variant, anomalous: NDArray[np.bool_], known: NDArray[np.bool_], masks: Masks | None
) -> VariantRow:
    pixels, truth = None, None
    if one.maps is not None and masks is not None:
        pixels, truth = upsample(one.maps, SIZE).numpy()[known].ravel(), masks.full.ravel()
    return VariantRow(
        name=one.name,
        image_auroc=auroc(one.mean, anomalous),
        image_auroc_max=None if one.maximum is None else auroc(one.maximum, anomalous),
        pixel_auroc=None if pixels is None or truth is None else auroc(pixels, truth),
        average_precision=None if pixels is None or truth is None else average_precision(pixels, truth),
    )


def _batches(source: TileSource, numbers: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.uint8]]:
    chosen = np.arange(len(source.groups)) if numbers is None else numbers
    for start in range(0, len(chosen), BATCH):
        yield np.stack([source.read(int(number)) for number in chosen[start : start + BATCH]])
