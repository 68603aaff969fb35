"""``wsi-haloae mvtec``: the shared core on labelled images, category by category, and the paper's table."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wsi_haloae.atomic import replacing, write_text
from wsi_haloae.config import Config, ScoringConfig, differences
from wsi_haloae.documents import read_document
from wsi_haloae.errors import ConfigError, OutputExistsError, WsiHaloaeError
from wsi_haloae.evaluation.pixel_figures import SIZE
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.checkpoint import Checkpoint, file_sha256
from wsi_haloae.model.cost import describe_cost, require_memory
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.mvtec.category_table import markdown_table
from wsi_haloae.mvtec.image_check import check_images
from wsi_haloae.mvtec.image_set import ImageSet
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.calibrating import set_display_range
from wsi_haloae.runs.fitting import STATE_NAME, FitOptions, build, fit
from wsi_haloae.runs.lock import HOLDER_NAME, LOCK_NAME, locked
from wsi_haloae.runs.mvtec_category import CategoryImages, Judged, Normalise, judge
from wsi_haloae.runs.mvtec_pictures import write_pictures
from wsi_haloae.runs.record import RECORD_NAME, RunRecord
from wsi_haloae.scoring.image_scorer import IMAGE_POOLINGS
from wsi_haloae.training.pictures import write_schedule
from wsi_haloae.training.trainer import plan_steps

RESULT_NAME = "mvtec.json"
MODEL_NAME = "model.safetensors"
TABLE_NAME = "table"


@dataclass(frozen=True)
class MvtecOptions:
    """What ``wsi-haloae mvtec`` was asked for, beside its configuration and its images."""

    weights: Path | None
    device: str
    normalise: Normalise
    baselines: bool
    workers: int
    overwrite: bool


def run_mvtec(
    sets: Sequence[ImageSet],
    output: Path,
    config: Config,
    options: MvtecOptions,
    arguments: Mapping[str, Any],
    reporter: Reporter,
) -> int:
    """Evaluate each set in ``output/<name>/`` and write ``output/table.md`` and ``table.json``.

    All images are checked before any training starts. A category that is done is skipped, one that
    was interrupted goes on; one that fails is reported and the others go on. Gives the exit code.
    """
    asked, config = config, resolve(config)
    check_tile_size(config.model, SIZE)
    require_memory(config.model, SIZE)
    _check_rule(config.scoring)
    first_warning = len(reporter.warnings)
    for images in sets:
        check_images(images, reporter.warn)
    for line in describe_cost(asked.model, config.model, SIZE):
        reporter.line(line)
    device = resolve_device(options.device)
    if options.overwrite:
        build(config, SIZE, options.weights)  # whose weights may be missing; what is there goes only after
    results, failed = [], []
    for images in sets:
        folder, record = output / images.name, RunRecord("mvtec", arguments, reporter, first_warning)
        try:
            with locked(folder):
                results.append(_one(images, folder, config, options, device, record, reporter))
        except (WsiHaloaeError, OSError) as error:
            if len(sets) == 1:
                raise
            reporter.error(f"{images.name}: {error}")
            reporter.trace(error)
            failed.append(images.name)
    if results:
        write_table(results, output)
        reporter.line(f"{output / TABLE_NAME}.md: the table, categories: {len(results)}")
    if failed:
        reporter.line(f"{len(results)} categories done; failed: {', '.join(failed)}")
    return 0 if not failed else 1 if results else 2


def _check_rule(rule: ScoringConfig) -> None:
    """`ConfigError` for a rule that does not score images, before anything is trained."""
    if rule.pooling not in IMAGE_POOLINGS:
        raise ConfigError(
            f"scoring.pooling {rule.pooling} was given, but it is for tiles of slides: it looks at their layers, or at "
            f"what reference tiles taught. Choose {', '.join(IMAGE_POOLINGS[:-1])} or {IMAGE_POOLINGS[-1]}."
        )
    if rule.glass_level is not None:
        raise ConfigError(
            f"scoring.glass_level {rule.glass_level:g} was given, but images have no glass: all of an image counts. "
            "Leave it at null."
        )


def write_table(results: Sequence[Mapping[str, Any]], output: Path, first_heading: str = "category") -> None:
    """``table.md`` and ``table.json`` of what ``mvtec.json`` files hold."""
    write_text(output / f"{TABLE_NAME}.md", markdown_table(results, first_heading))
    write_text(output / f"{TABLE_NAME}.json", json.dumps(list(results), indent=2) + "\n")


def _one(
    images: ImageSet,
    folder: Path,
    config: Config,
    options: MvtecOptions,
    device: torch.device,
    record: RunRecord,
    reporter: Reporter,
) -> dict[str, Any]:
    category = CategoryImages.open(images, options.normalise, config.training.seed)
    identity = _identity(category, config, options)
    if options.overwrite:
        _empty(folder)
    done = _finished(folder, identity, config, wanted_baselines=options.baselines)
    if done:
        reporter.line(f"{folder}: done already, skipped")
        return done
    folder.mkdir(parents=True, exist_ok=True)
    _, steps = plan_steps(config, len(category.data.train))
    trained = (folder / MODEL_NAME).exists()
    begun = "trained already, now measured" if trained else f"{steps} steps"
    reporter.line(f"{images.name}: {len(category.data.train)} training images, {begun}")
    checkpoint = _train(category, folder, config, options, device, identity, reporter)
    record.lap("training")
    judged = judge(category, checkpoint, device, reporter, baselines=options.baselines)
    record.lap("scoring and figures")
    _write_scores(folder / "scores.csv", category, judged)
    write_pictures(folder, category, judged)
    result = {"identity": identity, "with_baselines": options.baselines, **judged.result.as_json()}
    record.facts = {"configuration": config.model_dump(mode="json"), "device": str(device)}
    record.write(folder / RECORD_NAME, "done")
    write_text(folder / RESULT_NAME, json.dumps(result, indent=2) + "\n")
    reporter.line(_summary(judged))
    return result


def _train(
    category: CategoryImages,
    folder: Path,
    config: Config,
    options: MvtecOptions,
    device: torch.device,
    identity: str,
    reporter: Reporter,
) -> Checkpoint:
    path = folder / MODEL_NAME
    if path.exists():
        return Checkpoint.load(path)  # of this identity: `_finished` refuses another
    fit_options = FitOptions(
        weights=options.weights,
        device=device,
        folder=folder,
        identity=identity,
        workers=options.workers,
        mpp=None,
        facts={"images": {"train": len(category.data.train), "select": len(category.data.select)}},
    )
    trained, curve = fit(category.data, config, fit_options, reporter)
    checkpoint = set_display_range(trained, category.data.source, category.data.select, device, lambda _: None)
    per_epoch, steps = plan_steps(config, len(category.data.train))
    write_schedule(folder / "ews.png", config, steps, per_epoch, curve)
    checkpoint.save(path)
    (folder / STATE_NAME).unlink(missing_ok=True)
    return checkpoint


def _finished(folder: Path, identity: str, config: Config, *, wanted_baselines: bool) -> dict[str, Any] | None:
    """The result that is there, if it is the one that is asked for; another's is refused."""
    model, found = folder / MODEL_NAME, folder / RESULT_NAME
    if model.exists() and (facts := Checkpoint.load(model).facts).training.get("identity") != identity:
        differing = sorted(differences(facts.config.model_dump(mode="json"), config.model_dump(mode="json")))
        raise OutputExistsError(
            f"{folder}: holds a run with other {', '.join(differing[:5]) or 'images, weights or --normalise'}. "
            "Choose another -o, or pass --overwrite to replace it."
        )
    result = read_document(found)  # measured anew where it was changed: the model is there
    same = result.get("identity") == identity and result.get("with_baselines") in (True, wanted_baselines)
    return result if same else None


def _empty(folder: Path) -> None:
    """``--overwrite``: everything but the lock, which is held; the model first, for it says that the rest is good."""
    (folder / MODEL_NAME).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path.name not in {LOCK_NAME, HOLDER_NAME}:
            path.unlink()


def _identity(category: CategoryImages, config: Config, options: MvtecOptions) -> str:
    """Digest of everything that decides the figures."""
    masks = [image.mask for image in category.images.test]
    told = {
        "config": config.model_dump(mode="json"),
        "train": category.data.source.digest(),
        "test": category.test.digest(),
        "masks": [file_sha256(mask) if mask else None for mask in masks],
        "weights": file_sha256(options.weights) if options.weights else None,
        "normalise": options.normalise,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _write_scores(path: Path, category: CategoryImages, judged: Judged) -> None:
    """``scores.csv``: one row per test image."""
    columns = {"score": judged.scores.score} | {one.name: one.scores.score for one in judged.baselines}
    if judged.residuals.damaged is not None:
        columns["P(damaged)"] = judged.residuals.damaged
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "defect", "mask", *columns])
        for number, image in enumerate(category.images.test):
            mask = image.mask.name if image.mask else ""
            values = [f"{values[number]:.6g}" for values in columns.values()]
            writer.writerow([category.test.groups[number], image.defect, mask, *values])


def _summary(judged: Judged) -> str:
    result = judged.result
    text = f"{result.data.name}: image AUROC {100 * result.image.auroc:.1f}"
    if result.pixel:
        text += f", pixel AUROC {100 * result.pixel.auroc:.1f}, AP {100 * result.pixel.average_precision:.1f}"
    if result.decided_by:
        text += f"; beware: decided without a model, by {' and '.join(result.decided_by)}"
    return text
