"""``wsi-haloae demo``: two synthetic slides; train on the first, score the second, compare with the truth."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.errors import OutputExistsError, WsiHaloaeError
from wsi_haloae.evaluation.auroc import auroc
from wsi_haloae.evaluation.mean_colour import colour_distance
from wsi_haloae.export.truth_picture import write_truth_picture
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.inputs import SlideInput
from wsi_haloae.runs.reference import ReferenceOptions
from wsi_haloae.runs.score import ScoreOptions, score_slides
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.slide.openslide_slide import open_slide
from wsi_haloae.slide.synthetic import write_synthetic_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.annotations import coverage, read_annotations
from wsi_haloae.tiles.tiling import TilingSettings

SIDE = 6144
TILE_SIZE = 128
REFERENCE, ANOMALOUS = "Tumor", "Stroma"
PURITY = 0.9
"""Share of one class from which a tile is trained on or compared: a half-and-half tile has no right answer."""
WORKERS = 2


def run_demo(output: Path, seed: int, device: str, reporter: Reporter) -> str:
    """The whole demo in ``output``; gives the table of AUROCs, which is also in demo.json.

    Raises `WsiHaloaeError` when a stage failed. A second call goes on from what is there.
    """
    slides = output / "slides"
    slides.mkdir(parents=True, exist_ok=True)
    _require_seed(slides / "seed.txt", seed)
    first = _synthetic_slide(slides / "train.tif", 2 * seed + 1, reporter)
    second = _synthetic_slide(slides / "score.tif", 2 * seed + 2, reporter)
    model = output / "model.safetensors"
    _train(first, model, device, reporter)
    _score(second, model, output, device, reporter)
    scores = ScoreStore.open(output / second.stem / "scores.zarr")
    rows = _compare(scores, output, first, second)
    (output / "demo.json").write_text(json.dumps({"seed": seed, "auroc": rows}, indent=2) + "\n", encoding="utf-8")
    truth = read_annotations(second.with_suffix(".geojson"), None)
    write_truth_picture(output / "demo.png", scores, truth.region(REFERENCE), REFERENCE)
    lines = [f"AUROC of {ANOMALOUS.lower()} against {REFERENCE.lower()} on a slide that was not trained on:"]
    lines += [f"  {name:<14}{value:.3f}" for name, value in rows.items()]
    report = output / second.stem / "report.html"
    lines += [f"Look at {output / 'demo.png'} and {report}, or give: wsi-haloae view {output}"]
    return "\n".join(lines)


def _require_seed(path: Path, seed: int) -> None:
    found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else str(seed)
    if found != str(seed):
        raise OutputExistsError(
            f"{path.parent.parent}: --seed {seed} was given, but it holds the demo of seed {found!r}. "
            "Choose another -o, or delete the folder."
        )
    path.write_text(str(seed), encoding="utf-8")


def _synthetic_slide(path: Path, seed: int, reporter: Reporter) -> Path:
    if not (path.exists() and path.with_suffix(".geojson").exists()):
        reporter.line(f"{path}: drawing a synthetic slide of {SIDE} x {SIDE} pixels")
        truth = write_synthetic_slide(path, width=SIDE, height=SIDE, seed=seed)
        truth.write_geojson(path.with_suffix(".geojson"))
    return path


def _train(slide: Path, model: Path, device: str, reporter: Reporter) -> None:
    reference = ReferenceOptions(
        mpp=None,
        override_mpp=None,
        annotations=slide.with_suffix(".geojson"),
        class_name=REFERENCE,
        min_coverage=PURITY,
        settings=TilingSettings(None, TILE_SIZE),
        manifest=None,
        group_regex=None,
        workers=WORKERS,
    )
    options = TrainOptions(
        weights=None, device=device, reference=reference, baselines=False, anomalous=None, balance=None, overwrite=False
    )
    train_tiles([str(slide)], model, load_config("demo", base=SLIDE_BASE), options, {"demo": True}, reporter)


def _score(slide: Path, model: Path, output: Path, device: str, reporter: Reporter) -> None:
    options = ScoreOptions(
        model=model,
        device=device,
        precision=None,
        batch_size=None,
        stride=None,
        workers=WORKERS,
        roi=None,
        keep_maps=False,
        keep_tiles=True,
        overwrite=False,
    )
    source = SlideInput(slide, slide.stem, None, override_mpp=False)
    outcome = score_slides([source], output, options, {"demo": True}, reporter)
    if outcome.exit_code:
        raise WsiHaloaeError(f"{slide}: the demo's slide could not be scored; the message above says why.")


def _compare(scores: ScoreStore, output: Path, first: Path, second: Path) -> dict[str, float]:
    """AUROC of HaloAE and of mean colour, on tiles of one class."""
    with closing(open_slide(second)) as slide:
        truth = read_annotations(second.with_suffix(".geojson"), slide.properties.bounds)
    index = scores.index
    shares = {name: coverage(truth.region(name), index.location, index.size) for name in (REFERENCE, ANOMALOUS)}
    labelled = np.maximum(shares[REFERENCE], shares[ANOMALOUS]) >= PURITY
    anomalous = (shares[ANOMALOUS] > shares[REFERENCE])[labelled]
    reference = output / "model.training" / "tiles" / first.stem / "tiles.zarr"
    colours = _mean_colours(TileStore.open(output / second.stem / "tiles.zarr"))
    by_colour = colour_distance(colours, _mean_colours(TileStore.open(reference)))
    results = scores.scores()
    return {
        "HaloAE": auroc(results.score[labelled], anomalous),
        "paper's rule": auroc(results.score_paper[labelled], anomalous),
        "mean colour": auroc(by_colour[labelled], anomalous),
    }


def _mean_colours(tiles: TileStore) -> NDArray[np.float64]:
    """Mean colour of each tile of a store, (n, 3)."""
    shards = [tiles.read_shard(shard).mean(axis=(1, 2), dtype=np.float64) for shard in range(tiles.shards)]
    return np.concatenate(shards)
