"""What it costs to feed a GPU: processor time of a tile by part, and how much of it holds the interpreter's lock.

The time says how many cores a rate takes. The lock says from which rate on threads of one process are not enough: no
two of them hold it at once. Who holds it is sampled by py-spy (`pip install py-spy`), which looks at the process from
outside, once with and once without those that only compute; so a busy machine does not change the share.

    python benchmarks/bench_feed.py SLIDE [--times 2]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import click
import torch
from bench_read import tiles_of
from machine import print_row

from wsi_haloae.artefacts.flags import measure_all
from wsi_haloae.engine.transfer import batches_on
from wsi_haloae.processors.freed_memory import keep_freed_memory
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.reading import SlideTiles

PARTS = {"reading": "read_shard", "artefacts": "measure_all", "batches": "_filled_up"}
"""By the function below which its samples lie."""
RATES = (2500, 5000)


@click.command()
@click.argument("slide", type=click.Path(exists=True, path_type=Path))
@click.option("--times", default=1.0, show_default=True, help="Pixel size of the tiles, in pixels of the slide.")
@click.option("--mpp", type=float, help="Pixel size in micrometres, if the slide's file has none.")
@click.option("--most", default=768, show_default=True, help="How many tiles to read, from the middle of the slide.")
@click.option("--passes", default=3, show_default=True)
@click.option("--work", is_flag=True, hidden=True, help="Do the work, and print the times of its parts.")
def main(slide: Path, times: float, mpp: float | None, most: int, passes: int, work: bool) -> None:
    """Print one row."""
    if work:
        click.echo(json.dumps(timed(partial(open_slide, slide, mpp=mpp), times, most, passes)))
        return
    given = [] if mpp is None else ["--mpp", str(mpp)]
    command = [
        __file__,
        *given,
        str(slide),
        "--times",
        str(times),
        "--most",
        str(most),
        "--passes",
        str(passes),
        "--work",
    ]
    done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
    taken, holding, computing = json.loads(done.stdout), sampled(command, "--gil"), sampled(command)
    share = {part: holding[part] / max(1, computing[part]) for part in PARTS}
    total, held = sum(taken.values()), sum(taken[part] * share[part] for part in PARTS)
    print_row(
        "feed", slide=slide.name, times=times, milliseconds=taken, total_milliseconds=total, lock_share=share,
        lock_milliseconds=held, samples=computing, cores={rate: total * rate / 1e3 for rate in RATES},
        threads_up_to=1e3 / held,
    )  # fmt: skip


def sampled(command: Sequence[str], *options: str) -> Counter[str]:
    """How often py-spy saw each part of a command. It slows down what it looks at, so times are taken without it."""
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks.txt"
        how = ["--rate", "50", "--nonblocking", "--format", "raw", "--output", str(stacks), *options]
        subprocess.run(["py-spy", "record", *how, "--", sys.executable, *command], check=True, capture_output=True)
        return samples_of(stacks.read_text(encoding="utf-8").splitlines())


def samples_of(lines: Iterable[str]) -> Counter[str]:
    """Of each part, from lines of functions and a count: ``main (x.py:3);SlideTiles.read_shard (y.py:7) 12``."""
    found: Counter[str] = Counter()
    for stack, count in (line.rsplit(" ", 1) for line in lines):
        functions = {frame.split(" ")[0].split(".")[-1] for frame in stack.split(";")}
        found.update({part: int(count) for part, function in PARTS.items() if function in functions})
    return found


def timed(opener: Callable[[], Slide], times: float, most: int, passes: int) -> dict[str, float]:
    """Milliseconds of the processor per tile, by part, on one thread: medians of the passes, after one more."""
    keep_freed_memory()  # as score does
    opened = opener()
    wanted = None if times == 1 else times * max(opened.properties.known_mpp())
    tiling, index = tiles_of(opened, most, wanted)
    found: dict[str, list[float]] = {part: [] for part in PARTS}
    with tempfile.TemporaryDirectory() as folder, ThreadHandles(opener) as handles:
        store = TileStore.create(Path(folder) / "tiles.zarr", tiling.header(), index)
        tiles = SlideTiles(store, handles)
        for _ in range(1 + passes):
            taken: Counter[str] = Counter()
            for shard in range(store.shards):
                begun = time.process_time()
                pixels = tiles.read_shard(shard).pixels
                read = time.process_time()
                measure_all(pixels)
                measured = time.process_time()
                deque(batches_on(torch.device("cpu"), pixels, len(pixels)), maxlen=0)
                taken += Counter(
                    reading=read - begun, artefacts=measured - read, batches=time.process_time() - measured
                )
            for part, seconds in taken.items():
                found[part].append(1e3 * seconds / len(index))
    return {part: statistics.median(milliseconds[1:]) for part, milliseconds in found.items()}


if __name__ == "__main__":
    main()
