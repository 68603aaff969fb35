"""A synthetic slide, and a briefly trained model: enough for benchmarks, because weights do not change times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi_haloae.cli.main import run
from wsi_haloae.synthetic.slide import write_synthetic_slide

TRAINING = [
    "training.steps=6",
    "training.steps_per_epoch=2",
    "training.statistics_tiles=16",
    "training.validation_tiles=4",
]


def make_model(folder: Path, tile: int = 64, config: str = "demo", settings: Sequence[str] = ()) -> Path:
    """A checkpoint of preset ``config`` for tiles of ``tile`` pixels; its weights are almost random."""
    side = max(2048, 16 * tile)
    slide, truth, model = folder / "small.tif", folder / "small.geojson", folder / f"{config}-{tile}.safetensors"
    write_synthetic_slide(slide, width=side, height=side, seed=0).write_geojson(truth)
    command = ["train-tiles", str(slide), "-o", str(model), "--annotations", str(truth), "--class", "Tumor", "-q"]
    chosen = ["model.features.weights=random", *TRAINING, *settings]
    command += ["--tile-size", str(tile), "--config", config, *(word for one in chosen for word in ("--set", one))]
    if run(command):
        raise SystemExit("the model for the benchmark could not be trained")
    return model


def make_slide(folder: Path, side: int) -> Path:
    """A slide of ``side`` pixels per side, about half of it tissue."""
    slide = folder / f"slide-{side}.tif"
    write_synthetic_slide(slide, width=side, height=side, seed=0)
    return slide
