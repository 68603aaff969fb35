"""``--dry-run``: what a run over slides would do, take and write. It writes nothing but a sample that it removes again.

Each slide is opened and its tiles are chosen, as the run would do it. Time and disk come from a sample: a few tiles of
the first slide are taken through all stages in a temporary folder.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from wsi_haloae.pace import duration
from wsi_haloae.processors.disk import free_space
from wsi_haloae.progress import Reporter, size, with_noun
from wsi_haloae.quoting import about
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.tiles.chosen import ChosenTiles
from wsi_haloae.workspace.batch_result import BatchResult, admit, attempt
from wsi_haloae.workspace.slide_inputs import SlideInput


@dataclass(frozen=True)
class Cost:
    """What tiles and slides take, in seconds and bytes; ``sample`` says what was measured."""

    tile_seconds: float
    slide_seconds: float
    tile_bytes: float
    slide_bytes: float
    sample: str


@dataclass(frozen=True)
class Looked:
    """A slide that was looked at. ``chosen`` is None if an earlier run has finished it."""

    properties: SlideProperties
    chosen: ChosenTiles | None


class Study(Protocol):
    """A command that can say what it would do."""

    def look(self, source: SlideInput, folder: Path) -> Looked:
        """What the command would do with a slide. Raises what the command would raise."""
        ...

    def measure(self, source: SlideInput, looked: Looked) -> Cost:
        """What it takes, from a sample of the chosen tiles."""
        ...


@dataclass
class Forecast:
    """What is known about a run, slide by slide."""

    outcome: BatchResult
    seen: dict[str, Looked] = field(default_factory=dict)
    seconds: float = 0
    cost: Cost | None = None

    def lines(self, output: Path) -> Iterator[str]:
        """What people read."""
        width = max(map(len, self.seen), default=0)
        for name, looked in self.seen.items():
            p = looked.properties
            state = "done before" if looked.chosen is None else with_noun(len(looked.chosen.index), "tile")
            yield f"{name:<{width}}  {p.width:,} x {p.height:,} pixels, {p.mpp_x:.4g} x {p.mpp_y:.4g} µm/px, {state}"
        todo = [looked.chosen for looked in self.seen.values() if looked.chosen is not None]
        tiles = sum(len(chosen.index) for chosen in todo)
        yield f"{with_noun(len(todo), 'slide')} to do, {with_noun(tiles, 'tile')}"
        if self.cost is not None:
            yield from _bill(self.cost, len(todo), tiles, self.seconds, output)
        yield "nothing was written (--dry-run)"


def forecast(slides: Sequence[SlideInput], output: Path, study: Study, reporter: Reporter) -> Forecast:
    """Look at every slide; one that would fail is reported, as the run would do it."""
    admitted, outcome = admit(slides, output, reporter)
    found, numbers = Forecast(outcome), itertools.count(1)

    def look(source: SlideInput) -> int:
        reporter.line(f"{source.path}: looking for tissue (slide {next(numbers):,} of {len(admitted):,})")
        begun = time.monotonic()
        looked = study.look(source, output / source.name)
        found.seconds += time.monotonic() - begun
        found.seen[source.name] = looked
        if found.cost is None and looked.chosen is not None and len(looked.chosen.index):
            reporter.line(f"{source.path}: trying a few tiles, to measure time and disk")
            found.cost = study.measure(source, looked)
        return 0

    for source in admitted:
        told = partial(_say, source, reporter)
        outcome.add(attempt(source.name, partial(look, source), told, reporter))
    return found


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _bill(cost: Cost, slides: int, tiles: int, looking: float, output: Path) -> Iterator[str]:
    seconds = looking + slides * cost.slide_seconds + tiles * cost.tile_seconds
    written = slides * cost.slide_bytes + tiles * cost.tile_bytes
    yield (
        f"time: about {duration(seconds)} on this machine, one slide after another ({cost.tile_seconds:.3g} s for each "
        f"tile, {cost.slide_seconds:.3g} s for each slide, {looking:.3g} s to find tissue)"
    )
    yield (
        f"disk: about {size(written)} ({size(cost.tile_bytes)} for each tile, {size(cost.slide_bytes)} for each "
        f"slide); {size(free_space(output))} are free in {output}"
    )
    yield f"measured on {cost.sample}"


def _say(source: SlideInput, reporter: Reporter, error: str) -> None:
    reporter.error(about(source.path, error))
