"""What it costs to feed a GPU: processor time of a tile by part, and how much of it holds the interpreter's lock.

The time says how many cores a rate takes. The lock says from which rate on threads of one process are not enough: no
two of them hold it at once. Who holds it is sampled from outside by py-spy (`pip install py-spy`), and compared with a
loop that always does and runs in turn with the parts; so a busy machine does not change the share.

    python benchmarks/bench_feed.py SLIDE [--times 2]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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

PARTS = {"reading": "read_shard", "artefacts": "measure_all", "batches": "_filled_up", "loop": "holding"}
"""By the function below which its samples lie."""
LOOP = "loop"
"""The part that always holds the lock."""
HELD = 500_000
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
    taken: dict[str, float] = json.loads(done.stdout)["processor"]
    holding, clock = sampled(command)
    always = holding[LOOP] / clock[LOOP]
    share = {part: holding[part] / clock[part] / always for part in PARTS if part != LOOP}
    total, held = sum(taken[part] for part in share), sum(taken[part] * share[part] for part in share)
    print_row(
        "feed", slide=slide.name, times=times, milliseconds=taken, total_milliseconds=total, lock_share=share,
        lock_milliseconds=held, samples=holding, cores={rate: total * rate / 1e3 for rate in RATES},
        threads_up_to=1e3 / held,
    )  # fmt: skip


def sampled(command: Sequence[str]) -> tuple[Counter[str], dict[str, float]]:
    """How often py-spy saw each part hold the lock, and the milliseconds of the clock that it took meanwhile.

    py-spy slows down what it looks at, so the processor's time is taken without it.
    """
    with tempfile.TemporaryDirectory() as folder:
        stacks, times = Path(folder) / "stacks.txt", Path(folder) / "times.json"
        how = ["--gil", "--rate", "100", "--nonblocking", "--format", "raw", "--output", str(stacks)]
        with times.open("w", encoding="utf-8") as stream:
            spied = ["py-spy", "record", *how, "--", sys.executable, *command]
            subprocess.run(spied, check=True, stdout=stream, stderr=subprocess.DEVNULL)
        said = [line for line in times.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        return samples_of(stacks.read_text(encoding="utf-8").splitlines()), json.loads(said[-1])["clock"]


def samples_of(lines: Iterable[str]) -> Counter[str]:
    """Of each part, from lines of functions and a count: ``main (x.py:3);SlideTiles.read_shard (y.py:7) 12``."""
    found: Counter[str] = Counter()
    for stack, count in (line.rsplit(" ", 1) for line in lines):
        functions = {frame.split(" ")[0].split(".")[-1] for frame in stack.split(";")}
        found.update({part: int(count) for part, function in PARTS.items() if function in functions})
    return found


def timed(opener: Callable[[], Slide], times: float, most: int, passes: int) -> dict[str, dict[str, float]]:
    """Milliseconds per tile of the processor and of the clock, by part, on one thread: means of the passes."""
    keep_freed_memory()  # as score does
    opened = opener()
    wanted = None if times == 1 else times * max(opened.properties.known_mpp())
    tiling, index = tiles_of(opened, most, wanted)
    processor, clock = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, ThreadHandles(opener) as handles:
        store = TileStore.create(Path(folder) / "tiles.zarr", tiling.header(), index)
        tiles = SlideTiles(store, handles)

        @contextmanager
        def part(name: str) -> Iterator[None]:
            begun = time.process_time(), time.perf_counter()
            yield
            processor[name] += time.process_time() - begun[0]
            clock[name] += time.perf_counter() - begun[1]

        for number in range(1 + passes):
            if number == 1:  # the first pass fills caches
                processor.clear()
                clock.clear()
            for shard in range(store.shards):
                with part("reading"):
                    pixels = tiles.read_shard(shard).pixels
                with part("artefacts"):
                    measure_all(pixels)
                with part("batches"):
                    deque(batches_on(torch.device("cpu"), pixels, len(pixels)), maxlen=0)
                with part(LOOP):
                    holding()
    tiles_done = passes * len(index)
    return {
        name: {one: 1e3 * seconds / tiles_done for one, seconds in taken.items()}
        for name, taken in (("processor", processor), ("clock", clock))
    }


def holding() -> int:
    """Hold the interpreter's lock for some milliseconds."""
    return sum(number & 1 for number in range(HELD))


if __name__ == "__main__":
    main()
