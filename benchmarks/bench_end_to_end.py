"""`score_slide`, compared with reading alone plus the model alone, on the same tiles with the same threads.

It is timed with pixels passed straight to the model, and through the tile store. On a CPU, reading and the model share
the cores, so their sum is the best that is possible; on a GPU it is the slower of the two.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path

import click
import torch
from machine import print_row
from scene import make_model, make_slide

from wsi_haloae.engine.inference import PRECISIONS
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.score import ScoreRun
from wsi_haloae.scoring.open_scores import open_scores
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.score_slide import score_slide
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.tiles.reading import SlideTiles, read_ahead
from wsi_haloae.tiles.tiler import fill_tiles
from wsi_haloae.workspace.slide_inputs import SlideInput


@click.command()
@click.option("--config", default="haloae-small", show_default=True)
@click.option("--side", default=8192, show_default=True, help="Side of the slide, in pixels.")
@click.option("--tile", default=256, show_default=True)
@click.option("--device", "device_name", default="cpu", show_default=True)
@click.option("-n", "--readers", default=2, show_default=True)
@click.option("--runs", default=2, show_default=True, help="Of everything, in turn; the fastest counts.")
def main(config: str, side: int, tile: int, device_name: str, readers: int, runs: int) -> None:
    """Print one row."""
    device, quiet = resolve_device(device_name), Reporter(quiet=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = make_model(folder, tile, config)
        source = SlideInput(make_slide(folder, side), "slide", None, override_mpp=False)
        checkpoint = Checkpoint.load(path)
        options = ScoreOptions(path, device=device_name, num_workers=readers)
        run = ScoreRun.of(options)
        with closing(source.open()) as slide:
            plan = run.planner.plan(source, slide.properties, quiet)
            chosen = plan.choose(slide, quiet)

        def new_store() -> ScoreStore:
            shutil.rmtree(folder / "scored", ignore_errors=True)
            (folder / "scored").mkdir()
            return open_scores(folder / "scored", plan.header, chosen, checkpoint, quiet)

        def read() -> None:
            store = new_store()
            with (
                ThreadHandles(source.open) as handles,
                read_ahead(SlideTiles(store, handles).read_shard, range(store.shards), readers) as shards,
            ):
                for _ in shards:
                    pass

        compute = plan.header.compute
        scorer = Scorer(checkpoint, device, compute.batch_size, PRECISIONS[compute.dtype])
        with ThreadHandles(source.open) as handles:
            pixels = SlideTiles(new_store(), handles).read_shard(0).pixels

        def model() -> None:
            for shard in range(new_store().shards):
                scorer.score(pixels[: min(len(pixels), len(chosen.index) - shard * len(pixels))])

        def straight() -> None:
            score_slide(source, checkpoint, new_store(), options, device=device, reporter=quiet)

        def stored() -> None:
            shutil.rmtree(folder / "tiles.zarr", ignore_errors=True)
            tiles = fill_tiles(source, folder / "tiles.zarr", plan.tiling.header(), chosen, readers, quiet)
            score_slide(source, checkpoint, new_store(), options, device=device, reporter=quiet, tiles=tiles)

        ways = {"read": read, "model": model, "straight": straight, "through_the_store": stored}
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(runs):
            for what, work in ways.items():
                start = time.perf_counter()
                work()
                best[what] = min(best[what], time.perf_counter() - start)
        stored_bytes = sum(file.stat().st_size for file in (folder / "tiles.zarr").rglob("*") if file.is_file())
    floor = best["read"] + best["model"] if device.type == "cpu" else max(best["read"], best["model"])
    print_row(
        "end to end", config=config, device=str(device), tiles=len(chosen.index), readers=readers,
        threads=torch.get_num_threads(), seconds=best, floor_seconds=floor, ratio=best["straight"] / floor,
        ratio_through_the_store=best["through_the_store"] / floor, store_megabytes=stored_bytes / 1e6,
    )  # fmt: skip


if __name__ == "__main__":
    main()
