"""``wsi-haloae mvtec``: train and judge on labelled images, category by category, and write the paper's table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from wsi_haloae.atomic import write_text
from wsi_haloae.config import Config, announce_encoder
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.evaluation.pixel_figures import SIZE
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.cost import describe_cost, require_memory, warn_on_cpu
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.mvtec.category import CategoryImages, Normalise, judge
from wsi_haloae.mvtec.category_folder import MODEL_NAME, RESULT_NAME, category_identity, empty_folder, finished_result
from wsi_haloae.mvtec.category_table import write_table
from wsi_haloae.mvtec.category_training import train_category
from wsi_haloae.mvtec.image_check import check_images, check_name
from wsi_haloae.mvtec.image_rule import check_rule
from wsi_haloae.mvtec.image_set import ImageSet
from wsi_haloae.mvtec.pictures import write_pictures
from wsi_haloae.mvtec.score_table import summary_line, write_scores
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter
from wsi_haloae.refused_writes import told
from wsi_haloae.training.fit import require_features
from wsi_haloae.workspace.lock import locked
from wsi_haloae.workspace.recorder import RunRecorder


@dataclass(frozen=True)
class MvtecOptions:
    """Options of ``wsi-haloae mvtec``, by the same names, except for its configuration and its images."""

    weights: Path | None = None
    device: str = "auto"
    normalise: Normalise = "none"
    baselines: bool = False
    num_workers: int = field(default_factory=available_cores)
    overwrite: bool = False
    threads: int | None = None


def run_mvtec(
    sets: Sequence[ImageSet],
    output: Path,
    config: Config,
    options: MvtecOptions,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> int:
    """Evaluate each set in ``output/<name>/`` and write ``output/table.md`` and ``table.json``.

    All images are checked before any training starts. A category that is done is skipped, an interrupted one
    continues, and one that fails is reported while the others go on. Returns the exit code.
    """
    ready_to_compute(options.threads)
    for line in announce_encoder(config.model.features):
        reporter.line(line)
    resolved = resolve(config)
    check_tile_size(resolved.model, SIZE)
    require_memory(resolved.model, SIZE)
    check_rule(resolved.scoring)
    first_warning = len(reporter.warnings)
    _check_names_and_weights(sets, output, resolved, options)
    for images in sets:
        check_images(images, reporter.warn)
    device = resolve_device(options.device)
    for line in describe_cost(config.model, resolved.model, SIZE):
        reporter.line(line)
    warn_on_cpu(resolved.model, SIZE, device, reporter.warn)
    results, failed = [], []
    for images in sets:
        folder, record = output / images.name, RunRecorder("mvtec", arguments, reporter, first_warning)
        try:
            with locked(folder, reporter.warn):
                results.append(_one(images, folder, resolved, options, device, record))
        except (WsiHaloaeError, OSError) as error:
            if len(sets) == 1:
                raise
            reporter.error(f"{images.name}: {told(error)}")
            reporter.trace(error)
            failed.append(images.name)
    if results:
        reporter.line(f"{write_table(results, output)}: the table, categories: {len(results)}")
    if failed:
        reporter.line(f"categories done: {len(results)}; failed: {', '.join(failed)}")
    return 0 if not failed else 1 if results else 2


def _check_names_and_weights(sets: Sequence[ImageSet], output: Path, config: Config, options: MvtecOptions) -> None:
    for images in sets:
        check_name(images.name)
    if options.overwrite or not all((output / images.name / MODEL_NAME).exists() for images in sets):
        require_features(config, options.weights)


def _one(
    images: ImageSet, folder: Path, config: Config, options: MvtecOptions, device: torch.device, record: RunRecorder
) -> dict[str, Any]:
    reporter = record.reporter
    category = CategoryImages.open(images, options.normalise, config.training.seed)
    identity = category_identity(category, config, options.weights)
    if options.overwrite:
        empty_folder(folder)
    done = finished_result(folder, identity, wanted_baselines=options.baselines)
    if done:
        reporter.line(f"{folder}: done already, skipped")
        return done
    weights, workers = options.weights, options.num_workers
    model = train_category(category, folder, config, device, identity, reporter, weights=weights, workers=workers)
    record.lap("training")
    judged = judge(category, model, device, reporter, baselines=options.baselines)
    record.lap("scoring and figures")
    write_scores(folder / "scores.csv", category, judged)
    write_pictures(folder, category, judged, config.scoring.rule)
    result = {"identity": identity, "with_baselines": options.baselines, **judged.result.as_json()}
    record.facts = {"configuration": config.model_dump(mode="json"), "device": str(device)}
    record.write(folder, "done")
    write_text(folder / RESULT_NAME, json.dumps(result, indent=2) + "\n")
    reporter.line(summary_line(judged))
    return result
