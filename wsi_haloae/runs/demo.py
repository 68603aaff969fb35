"""``wsi-haloae demo``: two synthetic slides; train on the first, score the second, compare with the truth."""

from __future__ import annotations

import json
from pathlib import Path

from wsi_haloae.atomic import write_text
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.demo_steps import DemoOptions, Example, train_and_score
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.workspace.lock import locked

SIDE = 6144


def run_demo(output: Path, seed: int, device: str, reporter: Reporter) -> str:
    """Run the whole demo in ``output``. Returns the table of AUROCs, which is also in demo.json.

    Raises `WsiHaloaeError` when a stage failed. A second call continues where the first one stopped.
    """
    slides = output / "slides"
    with locked(slides, reporter.warn):
        _require_seed(slides / "seed.txt", seed)
        first = _synthetic_slide(slides / "train.tif", 2 * seed + 1, reporter)
        second = _synthetic_slide(slides / "score.tif", 2 * seed + 2, reporter)
    example = Example(first, second, "Tumor", "Stroma")
    options = DemoOptions(load_config("demo", base=SLIDE_BASE), device)
    result = train_and_score(example, output, options, reporter)
    write_text(output / "demo.json", json.dumps({"seed": seed, **result.as_json()}, indent=2) + "\n")
    return "\n".join(result.lines)


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
