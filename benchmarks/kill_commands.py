"""Every command that writes files, killed at random moments: whether a rerun gives the bytes of an undisturbed run.

    python benchmarks/kill_commands.py --kills 20 [--command tile]

A killed command is started again, and killed again, until it ends; then a new one is begun, until there were enough
kills. Prints a row for each command. `kill_score.py` says in addition what a kill of `score` costs.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from forked import COMMAND, start
from machine import print_row
from PIL import Image
from scene import TRAINING, make_model, make_slide

from wsi_haloae.cli.main import run

SIDE, TILE = 1536, 64
TIMES = {"run.json", "cohort.csv"}
"""Files that say when something was done, and so differ between any two runs."""


@dataclass(frozen=True)
class Killed:
    """A command by its words, "OUT" standing for its output, and the folder that is there before it, if any."""

    words: list[str | Path]
    before: Path | None = None

    def begin(self, output: Path) -> None:
        """An output as it is before the command."""
        shutil.rmtree(output, ignore_errors=True)
        if self.before is None:
            output.mkdir()
        else:
            shutil.copytree(self.before, output)

    def run(self, output: Path, seconds: float | None = None) -> bool:
        """Run it, and kill it after so many seconds; whether it ended before."""
        words = [str(word).replace("OUT", str(output)) for word in self.words]
        process = start(COMMAND, *words, "-q", said=output.with_suffix(".txt"))
        process.join(seconds)
        process.kill()
        process.join()
        if process.exitcode not in {0, -9}:
            raise SystemExit(output.with_suffix(".txt").read_text())
        return process.exitcode == 0


@click.command()
@click.option("--kills", default=20, show_default=True, help="Of each command.")
@click.option("--seed", default=0, show_default=True, help="Seed of the random moments.")
@click.option("--command", "names", multiple=True, help="Only this one; repeat it for several.")
def main(kills: int, seed: int, names: tuple[str, ...]) -> None:
    """Kill, rerun, compare; exit code 1 if a byte differs."""
    differing: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        for command, killed in _commands(folder).items():
            if not names or command in names:
                row = _kill(killed, folder, kills, random.Random(seed))  # noqa: S311  # no secret
                print_row("kill", command=command, kills=kills, **row)
                differing += row["differing"]
    sys.exit(bool(differing))


def _commands(folder: Path) -> dict[str, Killed]:
    slide, model = make_slide(folder, SIDE), make_model(folder, TILE)
    _make_images(folder / "images/stripes")
    scored = folder / "scored"
    if run(["score", str(slide), "--model", str(model), "-o", str(scored), "-q"]):
        raise SystemExit("the slide for the benchmark could not be scored")
    small: list[str | Path] = ["--config", "demo"]
    for setting in ("model.features.weights=random", *TRAINING, "training.steps=12"):
        small += ["--set", setting]
    truth, outlines = folder / "small.tif", folder / "small.geojson"
    shutil.copyfile(outlines, folder / f"{slide.stem}.geojson")
    taught: list[str | Path] = ["--annotations", outlines, "--class", "Tumor", "--tile-size", str(TILE)]
    judged: list[str | Path] = ["--annotations", folder / f"{slide.stem}.geojson", "--reference", "Tumor"]
    return {
        "tile": Killed(["tile", slide, "--tile-size", str(TILE), "-o", "OUT"]),
        "train-tiles": Killed(["train-tiles", truth, *taught, *small, "-o", "OUT/model.safetensors"]),
        "score": Killed(["score", slide, "--model", model, "-o", "OUT"]),
        "export": Killed(["export", "OUT", "--threshold", "1"], before=scored),
        "export --adapt": Killed(["export", "OUT", "--adapt", "none"], before=scored),
        "evaluate": Killed(["evaluate", scored, *judged, "-o", "OUT"]),
        "mvtec": Killed(["mvtec", folder / "images", "--all", *small, "-o", "OUT"]),
    }


def _make_images(folder: Path) -> None:
    random_number = np.random.default_rng(0)
    for number in range(8):
        image = random_number.integers(100, 140, (256, 256, 3), dtype=np.uint8)
        kind = ("train/good", "test/good", "test/hole")[0 if number < 5 else 1 + number % 2]
        mask = np.zeros((256, 256), np.uint8)
        if kind == "test/hole":
            mask[40:90, 60:120] = 255
            image[mask > 0] = 10
            _save(folder / f"ground_truth/hole/{number:03}_mask.png", mask)
        _save(folder / kind / f"{number:03}.png", image)


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _kill(command: Killed, folder: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    quiet, output = folder / "quiet", folder / "killed"
    command.begin(quiet)
    command.run(quiet)  # the first start waits until everything is imported
    command.begin(quiet)
    begun = time.monotonic()
    command.run(quiet)
    whole, expected = time.monotonic() - begun, _digests(quiet)
    differing: set[str] = set()
    left = kills
    while left:
        command.begin(output)
        while left and not command.run(output, chance.uniform(0.02, 0.9) * whole):
            left -= 1
        command.run(output)
        found = _digests(output)
        differing |= {name for name in {*expected, *found} if expected.get(name) != found.get(name)}
    return {"quiet_seconds": round(whole, 2), "files": len(expected), "differing": sorted(differing)}


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in TIMES)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
