"""The self-test of ``wsi-haloae doctor``: a synthetic slide is tiled, trained on for two steps, and scored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.demo_steps import PURITY
from wsi_haloae.runs.doctor import Finding
from wsi_haloae.runs.score import score_slides
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.reference import ReferenceOptions
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.workspace.slide_inputs import SlideInput

SIDE, TILE_SIZE, SEED = 1024, 64, 3
REFERENCE, ANOMALOUS = "Tumor", "Stroma"
"""The classes of a synthetic slide."""
SETTINGS = (
    "training.steps=2", "training.steps_per_epoch=1", "training.statistics_tiles=16", "training.validation_tiles=4",
    "scoring.rule=descriptor",
)  # fmt: skip
"""Two steps teach nothing; this rule needs no more."""
EXPECTED = 0.9
"""Least AUROC: by this rule, the two textures of the slide are far apart."""


def self_test() -> Iterator[Finding]:
    """Whether tiles, training and scores give what is known of the slide; needs no network."""
    begun, said = time.monotonic(), StringIO()
    with TemporaryDirectory(prefix="wsi-haloae-") as name:
        area = _area(Path(name), Reporter(quiet=True, console=Console(file=said)))
    took = time.monotonic() - begun
    words = f"a synthetic slide tiled, trained on and scored in {took:.0f} s: AUROC {area:.3f}"
    yield Finding("self-test", f"{words}, at least {EXPECTED:g} expected", broken=area < EXPECTED)


def _area(folder: Path, reporter: Reporter) -> float:
    """AUROC of stroma against the tumour that the model was trained on, on the same slide."""
    slide, outlines, model = (folder / name for name in ("slide.tif", "slide.geojson", "model.safetensors"))
    write_synthetic_slide(slide, width=SIDE, height=SIDE, seed=SEED).write_geojson(outlines)
    reference = ReferenceOptions(
        settings=TilingSettings(None, TILE_SIZE),
        annotations=outlines,
        class_name=REFERENCE,
        min_coverage=PURITY,
        num_workers=1,
    )
    config = load_config("demo", SETTINGS, base=SLIDE_BASE)
    train_tiles([str(slide)], model, config, TrainOptions(reference), {}, reporter)
    source = SlideInput(slide, slide.stem, None, override_mpp=False)
    score_slides([source], folder, ScoreOptions(model, num_workers=1), {}, reporter)
    scores = ScoreStore.open(folder / slide.stem / STORE_NAME)
    truth, index = read_annotations(outlines, None), scores.index
    tumour, stroma = (coverage(truth.region(name), index.location, index.size) for name in (REFERENCE, ANOMALOUS))
    pure = np.maximum(tumour, stroma) >= PURITY
    return auroc(scores.read("score")[pure], (stroma > tumour)[pure])
