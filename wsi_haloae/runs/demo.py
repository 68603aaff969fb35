"""``wsi-haloae demo``: two synthetic slides; train on the first, score the second, compare with the truth."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np

from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.atomic import write_text
from wsi_haloae.config import SLIDE_BASE, autoencoder_words, load_config
from wsi_haloae.errors import OutputExistsError, WsiHaloaeError
from wsi_haloae.evaluation.mean_colour import colour_distance, mean_colours
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.export.truth_picture import write_truth_picture
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import score_slides
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.reference import ReferenceOptions
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.workspace.lock import locked
from wsi_haloae.workspace.slide_inputs import SlideInput

SIDE = 6144
TILE_SIZE = 128
REFERENCE, ANOMALOUS = "Tumor", "Stroma"
PURITY = 0.9
"""Least share of one class in a tile that is trained on or compared: a half-and-half tile has no right answer."""
WORKERS = 2


def run_demo(output: Path, seed: int, device: str, reporter: Reporter) -> str:
    """Run the whole demo in ``output``. Returns the table of AUROCs, which is also in demo.json.

    Raises `WsiHaloaeError` when a stage failed. A second call continues where the first one stopped.
    """
    slides = output / "slides"
    with locked(slides, reporter.warn):
        _require_seed(slides / "seed.txt", seed)
        first = _synthetic_slide(slides / "train.tif", 2 * seed + 1, reporter)
        second = _synthetic_slide(slides / "score.tif", 2 * seed + 2, reporter)
    model = output / "model.safetensors"
    _train(first, model, device, reporter)
    _score(second, model, output, device, reporter)
    scores = ScoreStore.open(output / second.stem / "scores.zarr")
    rule = Checkpoint.load(model).facts.config.scoring.rule
    rows = _compare(scores, rule, output, first, second)
    write_text(output / "demo.json", json.dumps({"seed": seed, "rule": rule, "auroc": rows}, indent=2) + "\n")
    truth = read_annotations(second.with_suffix(".geojson"), None)
    write_truth_picture(output / "demo.png", scores, truth.region(REFERENCE), REFERENCE)
    lines = [f"AUROC of {ANOMALOUS.lower()} against {REFERENCE.lower()} on a slide that was not trained on:"]
    width = max(map(len, rows)) + 2
    lines += [f"  {name:<{width}}{value:.3f}" for name, value in rows.items()]
    lines += [
        autoencoder_words(rule),
        f"Only tiles with at least {PURITY:.0%} of one class count here; 'evaluate' judges mixed tiles too.",
    ]
    report = output / second.stem / "report.html"
    lines += [f"Look at {output / 'demo.png'} and {report}, or run: wsi-haloae view {output}"]
    return "\n".join(lines)


def _require_seed(path: Path, seed: int) -> None:
    found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else str(seed)
    if found != str(seed):
        raise OutputExistsError(
            f"{path.parent.parent}: --seed {seed} was given, but it holds the demo of seed {found!r}. "
            "Choose another -o, or delete the folder."
        )
    write_text(path, str(seed))


def _synthetic_slide(path: Path, seed: int, reporter: Reporter) -> Path:
    if not (path.exists() and path.with_suffix(".geojson").exists()):
        reporter.line(f"{path}: drawing a synthetic slide of {SIDE} x {SIDE} pixels")
        truth = write_synthetic_slide(path, width=SIDE, height=SIDE, seed=seed)
        truth.write_geojson(path.with_suffix(".geojson"))
    return path


def _train(slide: Path, model: Path, device: str, reporter: Reporter) -> None:
    reference = ReferenceOptions(
        settings=TilingSettings(None, TILE_SIZE),
        annotations=slide.with_suffix(".geojson"),
        class_name=REFERENCE,
        min_coverage=PURITY,
        num_workers=WORKERS,
    )
    options = TrainOptions(reference, device=device)
    train_tiles([str(slide)], model, load_config("demo", base=SLIDE_BASE), options, {"demo": True}, reporter)


def _score(slide: Path, model: Path, output: Path, device: str, reporter: Reporter) -> None:
    options = ScoreOptions(model, device=device, num_workers=WORKERS, keep_tiles=True)
    source = SlideInput(slide, slide.stem, None, override_mpp=False)
    result = score_slides([source], output, options, {"demo": True}, reporter)
    if result.exit_code:
        raise WsiHaloaeError(f"{slide}: the demo's slide could not be scored; the message above says why.")


def _compare(scores: ScoreStore, rule: str, output: Path, first: Path, second: Path) -> dict[str, float]:
    """AUROC of the model's score, under the name of its ``rule``, and of mean colour, on tiles of one class."""
    with closing(open_slide(second)) as slide:
        truth = read_annotations(second.with_suffix(".geojson"), slide.properties.bounds)
    index = scores.index
    shares = {name: coverage(truth.region(name), index.location, index.size) for name in (REFERENCE, ANOMALOUS)}
    labelled = np.maximum(shares[REFERENCE], shares[ANOMALOUS]) >= PURITY
    anomalous = (shares[ANOMALOUS] > shares[REFERENCE])[labelled]
    reference = output / "model.training" / "tiles" / first.stem / "tiles.zarr"
    colours = mean_colours(TileStore.open(output / second.stem / "tiles.zarr"))
    by_colour = colour_distance(colours, mean_colours(TileStore.open(reference)))
    results = scores.scores()
    return {
        f"rule {rule}": auroc(results.score[labelled], anomalous),
        "paper's rule": auroc(results.score_paper[labelled], anomalous),
        "mean colour": auroc(by_colour[labelled], anomalous),
    }
