"""Time and memory of `score` as slides grow: seconds per tile, and the highest memory of the process tree.

    python benchmarks/growth.py                       # slides of some 10,000, 35,000 and 75,000 tiles
    python benchmarks/growth.py --side 70000 --tile 256 --set model.input_downsample=4

Memory is the sum of the proportional set sizes (PSS) of all processes, sampled every 0.2 s, minus what the process
takes after loading the model. The model is very small, so that everything around it is visible. Processor time is shown
beside wall-clock time, which depends on other work on the machine. Linux only.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from machine import print_row
from scene import make_model, make_slide

from wsi_haloae.stores.score_store import ScoreStore

EVERY = 0.2
LOADED = """
import sys
from pathlib import Path
import torch
from wsi_haloae.cli.main import run
import wsi_haloae.runs.score
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.model.checkpoint import Checkpoint
model = InferenceModel(Checkpoint.load(Path(sys.argv[1])).model, torch.device("cpu"))
rollup = Path("/proc/self/smaps_rollup").read_text()
Path(sys.argv[2]).write_text(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))
sys.exit(run(sys.argv[3:]))
"""


def tree_pss(pid: int) -> int:
    """Bytes of a process and its children; 0 if it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        own = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        children = [
            child
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except (OSError, StopIteration):
        return 0
    return own + sum(tree_pss(int(child)) for child in children)


@click.command()
@click.option(
    "--side",
    "sides",
    multiple=True,
    default=(8128, 15206, 22260),
    show_default=True,
    help="Side of a slide, in pixels; may be repeated.",
)
@click.option("--tile", default=64, show_default=True, help="Side of a tile, in pixels.")
@click.option("--set", "settings", multiple=True, help="Setting of the model as key=value; may be repeated.")
@click.option("--maps", is_flag=True, help="Keep maps, and assemble the map of the slide.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep all files in, slides included."
)
def main(sides: tuple[int, ...], tile: int, settings: tuple[str, ...], keep: Path | None, *, maps: bool) -> None:
    """Print one row for each slide."""
    with tempfile.TemporaryDirectory() as name:
        folder = keep or Path(name)
        model = make_model(folder, tile, settings=settings)
        for side in sides:
            slide = folder / f"slide-{side}.tif"
            if not slide.exists():
                make_slide(folder, side)
            output = folder / f"out-{side}"
            arguments = ["score", str(slide), "--model", str(model), "-o", str(output), "--overwrite"]
            arguments += ["--maps"] if maps else []
            seconds, processor, peak = measured([str(model), str(folder / "loaded"), *arguments])
            tiles = len(ScoreStore.open(output / slide.stem / "scores.zarr"))
            loaded = int((folder / "loaded").read_text()) * 1024
            print_row(
                "growth", side=side, tile=tile, tiles=tiles, maps=maps, seconds=seconds,
                milliseconds_per_tile=1000 * seconds / tiles, processor_milliseconds_per_tile=1000 * processor / tiles,
                loaded_megabytes=loaded / 1e6, peak_megabytes=peak / 1e6, memory_megabytes=(peak - loaded) / 1e6,
            )  # fmt: skip


def measured(arguments: list[str]) -> tuple[float, float, int]:
    """Run one scoring; returns its wall-clock and processor seconds, and its highest number of bytes."""
    start, peak = time.monotonic(), 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen([sys.executable, "-c", LOADED, *arguments])
    while process.poll() is None:
        peak = max(peak, tree_pss(process.pid))
        time.sleep(EVERY)
    seconds = time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"score ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


if __name__ == "__main__":
    main()
