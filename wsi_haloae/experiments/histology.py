"""Labelled histology tiles: train on reference tiles, compare all methods on test tiles, in three colourings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wsi_haloae.atomic import write_text
from wsi_haloae.config import Config, StainConfig
from wsi_haloae.documents import read_document
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.evaluation.comparison import MethodScores
from wsi_haloae.evaluation.labelled_source import LabelledSource
from wsi_haloae.evaluation.tile_comparison import BATCH, fit_baselines
from wsi_haloae.evaluation.tile_judgement import judge_tiles
from wsi_haloae.evaluation.tile_page import write_tile_judgement
from wsi_haloae.experiments.colourings import COLOURINGS, Colouring, Recolour
from wsi_haloae.experiments.histology_pictures import write_pictures
from wsi_haloae.experiments.histology_table import SeedScores, held_out_residual, markdown_histology, table_cells
from wsi_haloae.features.resolve import resolve
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.provenance.parts import PARTS
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.stain_matching import match_stains, stain_target
from wsi_haloae.stain.facts import StainFacts
from wsi_haloae.tiles.sources import CombinedSource, ImageFolderSource, TileSource
from wsi_haloae.tiles.views import Changed, Chosen
from wsi_haloae.training.anomaly_scores import areas_by_kind, scored_anomalies, tested_tiles
from wsi_haloae.training.calibrate import calibrate
from wsi_haloae.training.fit import fit
from wsi_haloae.training.identity import Identity, identity_of, require_same
from wsi_haloae.training.job import STATE_NAME, TrainingData, TrainingJob
from wsi_haloae.training.rule_marks import mark_rules, markdown_rules
from wsi_haloae.training.split import Split, split_by_group
from wsi_haloae.workspace.lock import locked

SCORES_NAME = "scores.json"
HELD_OUT_TILES = 64
"""How many held-out tiles are used to compare rules; each is scored four times."""


@dataclass(frozen=True)
class HistologySet:
    """Folders of tiles below a root; ``group`` is the part of a file's name that identifies its patient or cluster.

    ``fixed`` gives the part (train, validation, calibration) of some groups; the others are drawn by the seed.
    """

    name: str
    train: tuple[str, ...]
    reference: tuple[str, ...]
    anomalous: tuple[str, ...]
    mpp: float
    group: str
    fixed: Mapping[str, str] = field(default_factory=dict)

    def source(self, root: Path, folders: Sequence[str]) -> CombinedSource:
        """Tiles of some folders; `UsageError` for one without images."""
        return CombinedSource([self._open(root, folder) for folder in folders])

    def labelled(self, root: Path) -> LabelledSource:
        """The test tiles; a class has the name of its folder."""
        reference, anomalous = (
            {Path(folder).name: self._open(root, folder) for folder in folders}
            for folders in (self.reference, self.anomalous)
        )
        return LabelledSource.of(reference, anomalous)

    def _open(self, root: Path, folder: str) -> ImageFolderSource:
        return ImageFolderSource.open(root / self.name / folder, self.mpp, self.group)


@dataclass(frozen=True)
class HistologyOptions:
    """How each training is run."""

    weights: Path | None
    device: str
    workers: int


def run_histology(
    root: Path,
    tiles: HistologySet,
    output: Path,
    config: Config,
    seeds: Sequence[int],
    options: HistologyOptions,
    reporter: Reporter,
) -> int:
    """Train every seed and colouring in ``output/<colouring>-<seed>/``; done runs are skipped. Returns the exit code.

    After each training the tables are written again: ``table.md`` and ``table.json``, and how well each rule detects
    synthetic anomalies, ``rules.md`` and ``rules.json``.
    """
    ready_to_compute(None)
    config = resolve(config)
    failed = []
    for seed in seeds:  # so that the table is complete after the first seed
        for colouring in COLOURINGS:
            name = f"{colouring}-{seed}"
            reporter.line(f"== {tiles.name}, {name}")
            try:
                with locked(output / name, reporter.warn):
                    _run(root, tiles, colouring, output / name, _seeded(config, seed, colouring), options, reporter)
            except WsiHaloaeError as error:
                reporter.error(f"{name}: {error}")
                failed.append(name)
            write_tables(output, tiles.name, seeds)
    if failed:
        reporter.error(f"runs that failed: {', '.join(failed)}")
    return 1 if failed else 0


def write_tables(output: Path, title: str, seeds: Sequence[int]) -> None:
    """Write the tables from the scores of all runs that are done."""
    columns, residuals = {}, {}
    rules: dict[str, list[str]] = {}
    cells: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for colouring in COLOURINGS:
        done = [output / f"{colouring}-{seed}" / SCORES_NAME for seed in seeds]
        found = [_read_scores(path) for path in done if path.exists()]
        if found:
            column = f"{colouring} ({len(found)})"
            columns[column], residuals[column] = table_cells(found), held_out_residual(found)
            rules[column] = [one.rule for one in found]
            cells[colouring] = [asdict(cell) for cell in columns[column]]
            left[colouring] = asdict(residuals[column])
        if found and colouring == "colour":  # as in users' tiles
            marks = mark_rules([one.synthetic_auroc for one in found])
            write_text(output / "rules.md", markdown_rules(title, marks, len(found)))
            write_text(output / "rules.json", json.dumps([asdict(one) for one in marks], indent=2) + "\n")
    if columns:
        write_text(output / "table.md", markdown_histology(title, columns, residuals, rules, len(seeds)))
        write_text(
            output / "table.json",
            json.dumps({"auroc": cells, "held_out_residual": left, "score": rules}, indent=2) + "\n",
        )


def _seeded(config: Config, seed: int, colouring: Colouring) -> Config:
    """The configuration for a seed and colouring: matched tiles have no bright glass and no stains to vary."""
    training = config.training.model_copy(update={"seed": seed})
    if colouring == "colour":
        return config.model_copy(update={"training": training})
    training = training.model_copy(update={"stain_jitter": 0.0})
    scoring = config.scoring.model_copy(update={"glass_level": None})
    return config.model_copy(update={"training": training, "scoring": scoring, "stain": StainConfig()})


def _run(
    root: Path,
    tiles: HistologySet,
    colouring: Colouring,
    folder: Path,
    config: Config,
    options: HistologyOptions,
    reporter: Reporter,
) -> None:
    data = prepare(root, tiles, colouring, config)
    identity = _identity(config, data.source, data.labelled.source, options)
    if (folder / SCORES_NAME).exists():
        require_same(folder, read_document(folder / SCORES_NAME).get("identity"), identity, "remove this folder")
        reporter.line(f"{folder}: done already, skipped")
        return
    checkpoint = _train(data, folder, config, options, identity, reporter)
    device = resolve_device(options.device)
    baselines = fit_baselines(checkpoint, data.source, data.split.tiles["train"], device, reporter)
    judged = judge_tiles(data.labelled, checkpoint.facts, Scorer(checkpoint, device, BATCH), baselines, reporter)
    write_tile_judgement(folder, judged, checkpoint, {"colouring": colouring})
    write_pictures(folder, checkpoint, data.labelled, judged.methods, device)
    record = {
        "identity": identity,
        "steps": checkpoint.facts.training["steps"],
        "validation_fm": checkpoint.facts.training["validation_fm"],
        "tiles": {part: len(data.split.tiles[part]) for part in PARTS},
        "rule": checkpoint.facts.config.scoring.rule,
        "rule_marks": checkpoint.facts.rule_marks,
        "disturbed": _synthetic_anomaly_auroc(checkpoint, _held_out(data.source, data.split), device, reporter),
        "groups": data.labelled.source.groups,
        "anomalous": data.labelled.anomalous.tolist(),
        "methods": [
            {"name": one.name, "kind": one.kind, "scores": [float(f"{score:.9g}") for score in one.scores]}
            for one in judged.methods
        ],
    }
    write_text(folder / SCORES_NAME, json.dumps(record) + "\n")


@dataclass(frozen=True)
class Prepared:
    """Training tiles and their parts, and test tiles, in one colouring."""

    source: TileSource
    split: Split
    labelled: LabelledSource
    stains: StainFacts | None


def prepare(root: Path, tiles: HistologySet, colouring: Colouring, config: Config) -> Prepared:
    """The tiles of a set in one colouring, as a training with this configuration uses them."""
    plain = tiles.source(root, tiles.train)
    check_tile_size(config.model, plain.tile_size)
    split = split_by_group(plain.groups, config.split, config.training.seed, tiles.fixed)
    recolour = Recolour(colouring, _tiles(plain, split))
    labelled = tiles.labelled(root)
    source, tested = (Changed(one, recolour, colouring) for one in (plain, labelled.source))
    if not config.stain.normalise:
        return Prepared(source, split, replace(labelled, source=tested), None)
    glass = config.scoring.glass_level
    stains = stain_target(source, split.tiles["train"], glass)
    matched, judged = (match_stains(one, stains, glass) for one in (source, tested))
    return Prepared(matched, split, replace(labelled, source=judged), stains)


def _held_out(source: TileSource, split: Split) -> Chosen:
    """Reference tiles of groups that the auto-encoder has not seen: all, or a fixed draw of `HELD_OUT_TILES`."""
    tiles = np.concatenate([split.tiles["validation"], split.tiles["calibration"]])
    drawn = np.random.default_rng(0).permutation(tiles)[:HELD_OUT_TILES]
    return Chosen(source, np.sort(drawn))


def _synthetic_anomaly_auroc(
    checkpoint: Checkpoint, reference: TileSource, device: torch.device, reporter: Reporter
) -> dict[str, dict[str, float]]:
    tested = tested_tiles(checkpoint, reference, reference)
    with reporter.track("Comparing rules on synthetic anomalies", len(tested.groups), "tiles") as advance:
        return areas_by_kind(scored_anomalies(checkpoint, tested, device, advance))


def _train(
    data: Prepared, folder: Path, config: Config, options: HistologyOptions, identity: Identity, reporter: Reporter
) -> Checkpoint:
    path = folder / "model.safetensors"
    if path.exists() and Checkpoint.load(path).facts.training.get("identity") == identity:
        return Checkpoint.load(path)
    device = resolve_device(options.device)
    job = TrainingJob(
        config,
        TrainingData(data.source, data.split.tiles["train"], data.split.tiles["validation"]),
        folder,
        identity,
        device,
        weights=options.weights,
        workers=options.workers,
        mpp=data.source.mpp,
        facts={"tiles": {part: len(data.split.tiles[part]) for part in PARTS}},
    )
    trained, _curve = fit(job, reporter)
    trained = trained.with_facts(stains=data.stains)
    checkpoint = calibrate(trained, data.source, data.split, data.source.groups, device, reporter)
    checkpoint.save(path)
    (folder / STATE_NAME).unlink(missing_ok=True)
    return checkpoint


def _tiles(source: TileSource, split: Split) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    return (source.read(int(number)) for number in split.tiles["train"])


def _identity(config: Config, source: TileSource, tested: TileSource, options: HistologyOptions) -> Identity:
    weights = file_sha256(options.weights) if options.weights else None
    inputs = {"training tiles": source.digest(), "test tiles": tested.digest(), "--weights": weights}
    return identity_of(config, **inputs)


def _read_scores(path: Path) -> SeedScores:
    record = json.loads(path.read_text(encoding="utf-8"))
    return SeedScores(
        np.asarray(record["anomalous"]),
        np.asarray(record["groups"]),
        [MethodScores(one["name"], one["kind"], np.asarray(one["scores"])) for one in record["methods"]],
        record["disturbed"],
        record["rule"],
    )
