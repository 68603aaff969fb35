"""Time and memory of `score` as slides grow: seconds per tile, and the most memory that the process tree took.

    python benchmarks/growth.py --tiles 10000 --tiles 35000 --tiles 75000

Memory is the sum of the proportional set sizes (PSS) of all processes, looked at every 0.2 s, minus what the
process takes after loading the model. The model is very small, so that everything around it shows. Linux alone.
"""

from __future__ import annotations

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
TISSUE = 0.62
"""Share of a synthetic slide's tiles that are tissue, about."""
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
    """Bytes of a process and its children; 0 for one that has gone."""
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
@click.option("--tiles", "counts", multiple=True, default=(10_000, 35_000, 75_000), show_default=True)
@click.option("--tile", default=64, show_default=True, help="Pixels a side.")
@click.option("--maps", is_flag=True, help="Keep maps, and assemble that of the slide.")
def main(counts: tuple[int, ...], tile: int, *, maps: bool) -> None:
    """Print one row for each count of tiles."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder, tile)
        for count in counts:
            slide = make_slide(folder, round((count / TISSUE) ** 0.5 * tile))
            output = folder / f"out-{count}"
            arguments = ["score", str(slide), "--model", str(model), "-o", str(output), "-q"]
            arguments += ["--maps"] if maps else []
            command = [sys.executable, "-c", LOADED, str(model), str(folder / "loaded"), *arguments]
            start, peak = time.monotonic(), 0
            process = subprocess.Popen(command)
            while process.poll() is None:
                peak = max(peak, tree_pss(process.pid))
                time.sleep(EVERY)
            seconds = time.monotonic() - start
            if process.returncode:
                raise SystemExit(f"score ended with {process.returncode}")
            scored = len(ScoreStore.open(output / slide.stem / "scores.zarr"))
            loaded = int((folder / "loaded").read_text()) * 1024
            print_row(
                "growth", side=round((count / TISSUE) ** 0.5 * tile), tile=tile, tiles=scored, maps=maps,
                seconds=seconds, milliseconds_per_tile=1000 * seconds / scored,
                loaded_megabytes=loaded / 1e6, peak_megabytes=peak / 1e6, memory_megabytes=(peak - loaded) / 1e6,
            )  # fmt: skip
            slide.unlink()


if __name__ == "__main__":
    main()
