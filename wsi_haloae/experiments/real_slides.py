"""The next patient's slide: models of one patient's liver or tumour, judged on other patients.

    reference -> train_tiles -> score -> labels by outlines -> AUROC and false calls, by adaptation

The slides are crops with a layman's conservative outlines (two patients of one hospital), and tiles of a third patient
from another scanner. They are development data: methods were chosen while looking at them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import Asked, adapt
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.annotations.geojson import read_annotations
from wsi_haloae.atomic import write_text
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.evaluation.tile_labels import label_tiles
from wsi_haloae.export.truth_picture import write_truth_picture
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import score_slides
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.stores.score_store import ScoreStore, TileScores
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.reference import ReferenceOptions
from wsi_haloae.tiles.sources import ImageFolderSource, list_images
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.workspace.slide_inputs import SlideInput

SLIDES = {"A": "liver-sarcoma", "B": "liver-hemangioma"}
OTHER_SCAN = "C"
"""A patient of whom there are tiles, not a slide."""
MPP = 0.5
LEVEL = 0.05
ANCHORS, DRAWS = (1, 3, 5, 10), 10
BATCH = 16
Tissue = tuple[str, str]
"""A patient and a class of the outlines."""


@dataclass(frozen=True)
class Question:
    """A model of one tissue has to tell ``anomalous`` from ``usual`` tissue, which it should know."""

    reference: Tissue
    usual: Tissue
    anomalous: Tissue

    @property
    def words(self) -> str:
        """A phrase for people."""
        known, usual, anomalous = (
            f"{name.lower()} of {patient}" for patient, name in (self.reference, self.usual, self.anomalous)
        )
        return f"trained on {known}: {anomalous} against {usual}"


LIVER_B, LIVER_A, LIVER_C = ("B", "Liver"), ("A", "Liver"), (OTHER_SCAN, "Liver")
SARCOMA, HAEMANGIOMA = ("A", "Tumor"), ("B", "Hemangioma")
QUESTIONS = (
    Question(LIVER_B, LIVER_B, HAEMANGIOMA),
    Question(LIVER_B, LIVER_A, SARCOMA),
    Question(LIVER_B, LIVER_C, SARCOMA),
    Question(LIVER_A, LIVER_A, SARCOMA),
    Question(LIVER_A, LIVER_B, HAEMANGIOMA),
    Question(LIVER_A, LIVER_C, HAEMANGIOMA),
)


@dataclass(frozen=True)
class Row:
    """AUROC and the share of usual tiles with p <= 0.05, for one question and way of scoring; means over draws."""

    question: str
    score: str
    auroc: float
    lowest: float
    false_calls: float | None


@dataclass(frozen=True)
class RealSlidesOptions:
    """Where the data lie, and how models are trained."""

    data: Path
    config: tuple[str, ...]
    settings: tuple[str, ...]
    weights: Path
    device: str
    workers: int


@dataclass(frozen=True, eq=False)
class Scored:
    """All tiles of one patient, their classes (n,), and what a model makes of them."""

    scores: TileScores
    rules: tuple[str, ...]
    classes: NDArray[np.str_]
    reference: ReferenceDescriptors


def measure_real_slides(output: Path, options: RealSlidesOptions, reporter: Reporter) -> list[Row]:
    """Train and score what is not there yet, and write ``real-slides.md`` and ``.json`` to ``output``."""
    rows: list[Row] = []
    for reference in dict.fromkeys(question.reference for question in QUESTIONS):
        model = _train(reference, output, options, reporter)
        scored = {patient: _scored(patient, model, options, reporter) for patient in SLIDES}
        scored[OTHER_SCAN] = _tiles(model, options, scored["A"].reference, reporter)
        for question in QUESTIONS:
            if question.reference == reference:
                rows += _rows(question, scored)
    write_text(output / "real-slides.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    write_text(output / "real-slides.md", markdown_rows(rows))
    return rows


def _train(reference: Tissue, output: Path, options: RealSlidesOptions, reporter: Reporter) -> Path:
    patient, name = reference
    slide, model = _slide(patient, options), output / f"{patient}-{name}".lower() / "model.safetensors"
    tiles = ReferenceOptions(
        TilingSettings(), annotations=slide.with_suffix(".geojson"), class_name=name, num_workers=options.workers
    )
    chosen = TrainOptions(tiles, weights=options.weights, device=options.device)
    config = load_config(list(options.config), list(options.settings), base=SLIDE_BASE)
    train_tiles([str(slide)], model, config, chosen, {"reference": f"{name} of {patient}"}, reporter)
    return model


def _slide(patient: str, options: RealSlidesOptions) -> Path:
    slide = options.data / "wsi" / f"{SLIDES[patient]}.tiff"
    if not slide.exists():
        raise UsageError(f"{slide}: no such file. --data must name the folder with wsi/ and tiles/.")
    return slide


def _scored(patient: str, model: Path, options: RealSlidesOptions, reporter: Reporter) -> Scored:
    slide = _slide(patient, options)
    source = SlideInput(slide, slide.stem, None, override_mpp=False)
    asked = ScoreOptions(model, device=options.device, num_workers=options.workers, adapt="none")
    output = model.parent / "scored"
    if score_slides([source], output, asked, {"slide": str(slide)}, reporter).exit_code:
        raise WsiHaloaeError(f"{slide}: could not be scored; the message above says why.")
    store = ScoreStore.open(output / slide.stem / "scores.zarr")
    store.adapt("auto")
    regions, index = read_annotations(slide.with_suffix(".geojson"), None).by_class, store.index
    classes = label_tiles(regions, index.location, index.size, 0.5)
    write_truth_picture(output / f"{slide.stem}.png", store, regions["Liver"], "Liver")
    classes[store.states() != TileState.DONE] = ""
    return Scored(store.scores(), store.header.rules, classes, store.reference())


def _tiles(model: Path, options: RealSlidesOptions, reference: ReferenceDescriptors, reporter: Reporter) -> Scored:
    files = list_images(options.data / "tiles" / "liver_c")
    source = ImageFolderSource(options.data / "tiles" / "liver_c", MPP, files, [file.name for file in files])
    scorer = Scorer(Checkpoint.load(model), resolve_device(options.device), BATCH)
    with reporter.track("Scoring tiles of another scan", len(files), "tiles") as advance:
        found = score_source(scorer, source, np.arange(len(files)), advance)
    return Scored(found, scorer.rules, np.full(len(files), "Liver"), reference)


def _rows(question: Question, scored: dict[str, Scored]) -> Iterator[Row]:
    usual, anomalous = scored[question.usual[0]], scored[question.anomalous[0]]
    is_usual, is_anomalous = usual.classes == question.usual[1], anomalous.classes == question.anomalous[1]
    for number, rule in enumerate(usual.rules):
        found = (one.scores.rules[where, number] for one, where in ((usual, is_usual), (anomalous, is_anomalous)))
        yield _row(question, f"rule {rule}", [(*found, None)])
    for asked in ("none", "slide", "auto"):
        yield _row(question, f"adapted: {asked}", [_adapted(question, scored, asked, 0, 0)])
    for anchors in ANCHORS:
        draws = [_adapted(question, scored, "anchors", anchors, draw) for draw in range(DRAWS)]
        yield _row(question, f"adapted: {anchors} anchors", draws)


def _adapted(question: Question, scored: dict[str, Scored], asked: Asked, anchors: int, draw: int) -> tuple[Any, ...]:
    """Scores of usual and of anomalous tiles, and the usual ones' p-values, each adapted to its own slide."""
    found: list[Any] = []
    for patient, name in (question.usual, question.anomalous):
        one = scored[patient]
        known = np.flatnonzero(one.classes == ("Liver" if asked == "anchors" else name))
        marked = np.random.default_rng(draw).permutation(known)[:anchors]
        assert one.scores.descriptor is not None
        done = np.isfinite(one.scores.score)
        adapted = adapt(one.reference, one.scores.descriptor, done, asked, marked)
        judged = np.setdiff1d(np.flatnonzero((one.classes == name) & done), marked)
        found.append((adapted.scores[judged], adapted.calibration.p_values(adapted.scores[judged])))
    return found[0][0], found[1][0], found[0][1]


def _row(question: Question, score: str, draws: list[tuple[Any, ...]]) -> Row:
    areas, calls = [], []
    for usual, anomalous, p_values in draws:
        labels = np.repeat([False, True], [len(usual), len(anomalous)])
        areas.append(auroc(np.concatenate([usual, anomalous]), labels))
        calls.append(np.nan if p_values is None else float(np.mean(p_values <= LEVEL)))
    false_calls = None if np.isnan(calls).any() else float(np.mean(calls))
    return Row(question.words, score, float(np.mean(areas)), float(np.min(areas)), false_calls)


def markdown_rows(rows: list[Row]) -> str:
    """A table per question."""
    lines = ["# The next patient's slide\n"]
    for question in dict.fromkeys(row.question for row in rows):
        lines += [
            f"\n## {question}\n",
            "| score | AUROC | lowest of 10 draws | usual tiles with p <= 0.05 |",
            "|---|---:|---:|---:|",
        ]
        for row in rows:
            if row.question == question:
                lowest = f"{row.lowest:.3f}" if "anchors" in row.score else ""
                calls = "" if row.false_calls is None else f"{row.false_calls:.1%}"
                lines.append(f"| {row.score} | {row.auroc:.3f} | {lowest} | {calls} |")
    return "\n".join(lines) + "\n"
