"""What both demos do: train on the outlined tissue of one slide, score another, and compare with its outlines."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.config import Config, autoencoder_words
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.evaluation.mean_colour import colour_distance, mean_colours
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.export.truth_picture import write_truth_picture
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.pages import percent
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import program
from wsi_haloae.runs.score import score_slides
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.reference import ReferenceOptions
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.workspace.slide_inputs import SlideInput

TILE_SIZE = 128
PURITY = 0.9
"""Least share of one class in a tile that is trained on or compared: a half-and-half tile has no right answer."""
WORKERS = 2


@dataclass(frozen=True)
class Example:
    """Two slides with outlines beside them: ``first`` to train on, ``second`` to score, and their classes."""

    first: Path
    second: Path
    reference: str
    anomalous: str


@dataclass(frozen=True)
class DemoOptions:
    """How a demo computes; ``weights`` of the backbone, or None: its library's own."""

    config: Config
    device: str = "auto"
    weights: Path | None = None


@dataclass(frozen=True)
class DemoResult:
    """The rule of the score, AUROC by what was compared, and lines for people."""

    rule: str
    auroc: dict[str, float]
    lines: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"rule": self.rule, "auroc": self.auroc}


def train_and_score(example: Example, output: Path, options: DemoOptions, reporter: Reporter) -> DemoResult:
    """Train, score and compare in ``output``; ``demo.png`` shows both panels. Done steps are not done again.

    Raises `WsiHaloaeError` when a step failed.
    """
    model, folder = output / "model.safetensors", output / example.second.stem
    _train(example, model, options, reporter)
    _score(example.second, model, output, options, reporter)
    scores, rule = ScoreStore.open(folder / "scores.zarr"), Checkpoint.load(model).facts.config.scoring.rule
    rows = _compare(scores, rule, output, example)
    truth = read_annotations(example.second.with_suffix(".geojson"), None)
    write_truth_picture(output / "demo.png", scores, truth.region(example.reference), example.reference)
    adapted = ", adapted to the slide" if scores.adapted and scores.adapted.record.mode != "none" else ""
    names = [name + adapted * (name == f"rule {rule}") for name in rows]
    lines = [
        f"AUROC of {example.anomalous.lower()} against {example.reference.lower()} on a slide that was not trained on:",
        *(f"  {name:<{max(map(len, names)) + 2}}{value:.3f}" for name, value in zip(names, rows.values(), strict=True)),
        autoencoder_words(rule),
        f"Only tiles with at least {percent(PURITY)} in one class count, as with 'evaluate --min-coverage {PURITY:g}'.",
        f"The reference ({example.reference.lower()}) should be blue in the heatmap, {example.anomalous.lower()} red.",
        f"Look at {output / 'demo.png'} and {folder / 'report.html'}, or run: {program()} view {output}",
    ]
    return DemoResult(rule, rows, lines)


def _train(example: Example, model: Path, options: DemoOptions, reporter: Reporter) -> None:
    reference = ReferenceOptions(
        settings=TilingSettings(None, TILE_SIZE),
        annotations=example.first.with_suffix(".geojson"),
        class_name=example.reference,
        min_coverage=PURITY,
        num_workers=WORKERS,
    )
    chosen = TrainOptions(reference, weights=options.weights, device=options.device)
    train_tiles([str(example.first)], model, options.config, chosen, {"demo": True}, reporter)


def _score(slide: Path, model: Path, output: Path, options: DemoOptions, reporter: Reporter) -> None:
    chosen = ScoreOptions(model, device=options.device, num_workers=WORKERS, keep_tiles=True)
    source = SlideInput(slide, slide.stem, None, override_mpp=False)
    if score_slides([source], output, chosen, {"demo": True}, reporter).exit_code:
        raise WsiHaloaeError(f"{slide}: the demo's slide could not be scored; the message above says why.")


def _compare(scores: ScoreStore, rule: str, output: Path, example: Example) -> dict[str, float]:
    """AUROC of the model's score, under the name of its ``rule``, and of mean colour, on tiles of one class."""
    second, names = example.second, (example.reference, example.anomalous)
    with closing(open_slide(second)) as slide:
        truth = read_annotations(second.with_suffix(".geojson"), slide.properties.bounds)
    usual, unusual = (coverage(truth.region(name), scores.index.location, scores.index.size) for name in names)
    labelled = np.maximum(usual, unusual) >= PURITY
    anomalous = (unusual > usual)[labelled]
    reference = output / "model.training" / "tiles" / example.first.stem / "tiles.zarr"
    colours = mean_colours(TileStore.open(output / second.stem / "tiles.zarr"))
    by_colour = colour_distance(colours, mean_colours(TileStore.open(reference)))
    return {
        f"rule {rule}": auroc(scores.scores().score[labelled], anomalous),
        "paper's rule": auroc(scores.scores().score_paper[labelled], anomalous),
        "mean colour": auroc(by_colour[labelled], anomalous),
    }
