"""Scores one slide: from the tiles listed in a score store to their scores in it.

    slide -> readers -> a few shards ahead -> groups -> stains -> Scorer -> ScoreStore -> its gallery

It writes only to the store, and the store records all that decides a number: tiles, read plan, batch size, precision
and threads. So it can be called anywhere, also in a Dask worker: it starts threads, but no process.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from wsi_haloae.adaptation.standpoint import Standpoint
from wsi_haloae.config import DESCRIPTOR, RULES
from wsi_haloae.errors import RegionReadError, WsiHaloaeError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.scoring.adapt_slide import adapt_slide
from wsi_haloae.scoring.gallery import make_gallery
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.shard_groups import Prepared, groups_of
from wsi_haloae.scoring.stain_matching import SAMPLED, slide_matcher
from wsi_haloae.slide.handle_pool import ThreadHandles
from wsi_haloae.stores.score_header import ComputeRecord
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.reading import ShardPixels, SlideTiles, read_ahead
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.workspace.slide_inputs import SlideInput

SCORING = "Scoring"
"""Start of this stage's progress label."""
AHEAD = 2
"""Groups that a GPU is given beyond the one whose results are taken; a shard is 13 ms at 5,000 tiles a second."""
Batch = NDArray[np.uint8]
Found = TypeVar("Found")


def score_slide(
    slide: SlideInput,
    model: Checkpoint,
    store: ScoreStore,
    options: ScoreOptions,
    *,
    device: torch.device,
    reporter: Reporter,
    tiles: TileStore | None = None,
) -> None:
    """Score every pending shard of ``store`` on ``device``, adapt the scores and make a gallery, as ``options`` say.

    Pixels come from ``slide``, or from ``tiles``, a finished store of the same tiles. A shard that does not fit into
    memory is scored again in smaller batches. Raises `SlideError` if the slide's file is missing.
    """
    pending, keep_maps = store.pending_shards(), store.header.map_size is not None
    label = f"{SCORING} {store.header.slide.name}"
    with (
        _source(slide, store, tiles) as source,
        reporter.track(label, len(store), "tiles", done=len(store) - store.count_tiles(pending)) as advance,
    ):
        match = _stain_matcher(model, store, source, reporter)
        scorer = _BatchHalvingScorer(lambda compute: Scorer.of(model, device, compute), store, device, reporter)

        def prepare(shard: int) -> Prepared:
            """Preparation on the reader threads, so that a GPU does not wait for it."""
            read = source.read_shard(shard)
            pixels = match(read.pixels)
            return Prepared((read,), pixels, scorer.measure(pixels))

        groups = groups_of(pending, store.shards, store.header.compute.batch_size)
        with read_ahead(prepare, chain.from_iterable(groups), options.num_workers) as shards:
            together = (Prepared.joined(list(islice(shards, len(group)))) for group in groups)
            for read, scores in _ahead(together, scorer, keep_maps=keep_maps):
                if read.shard not in pending:  # computed again for the others of its group
                    continue
                store.write_shard(read.shard, _without_unreadable(scores, read.states), read.states, read.reasons)
                advance(len(read.states))
                if tiles is None:  # the tiler has already reported it
                    for reason in filter(None, read.reasons):
                        reporter.warn(reason)
        store.assemble()
        if not store.finished:
            scoring = model.facts.config.scoring
            adapts = scoring.rule == DESCRIPTOR
            asked, anchors = options.adapt or ("auto" if adapts else None), options.anchors or slide.anchors
            wanted = asked or anchors or options.smooth
            adapted = adapt_slide(store, asked or "auto", anchors, options.smooth, reporter) if wanted else None
            gallery = make_gallery(store, source.read_tile, lambda pixels: scorer.maps(match(pixels), adapted))
            as_the_rule_says = adapted is not None or scoring.map_adds_up == RULES[scoring.rule].map_adds_up
            store.write_gallery(gallery if as_the_rule_says else replace(gallery, rule=None))


def _ahead(
    groups: Iterable[Prepared], scorer: _BatchHalvingScorer, *, keep_maps: bool
) -> Iterator[tuple[ShardPixels, TileScores]]:
    """Each shard with its scores. A GPU has the next groups to compute while the caller takes one.

    When memory runs out, all earlier ones are handed out before the batch is halved: theirs had the old size.
    """
    begun: deque[tuple[Prepared, Callable[[], TileScores]]] = deque()
    for group in groups:
        given = group.pixels, group.quantities
        scores = scorer.try_to_begin(*given, keep_maps=keep_maps) if scorer.computes_by_itself else None
        if scores is not None:
            begun.append((group, scores))
        while begun and (scores is None or len(begun) > AHEAD):
            earlier, finish = begun.popleft()
            yield from earlier.each(finish())
        if scores is None:
            yield from group.each(scorer.score(*given, keep_maps=keep_maps))
    for earlier, finish in begun:
        yield from earlier.each(finish())


class _StoredTiles:
    """The same tiles, read from a tile store."""

    def __init__(self, tiles: TileStore) -> None:
        self._tiles, self._states = tiles, tiles.states()

    def read_tile(self, number: int) -> Batch:
        if self._states[number] != TileState.DONE:
            raise RegionReadError(f"tile {number} could not be read")
        return self._tiles.read_tile(number)

    def read_shard(self, shard: int) -> ShardPixels:
        states = self._states[self._tiles.shard_slice(shard)]
        return ShardPixels(shard, self._tiles.read_shard(shard), states, self._tiles.reasons(shard))


_Source = SlideTiles | _StoredTiles


@contextmanager
def _source(slide: SlideInput, store: ScoreStore, tiles: TileStore | None) -> Iterator[_Source]:
    if tiles is not None:
        yield _StoredTiles(tiles)
        return
    with ThreadHandles(slide.open) as handles:
        yield SlideTiles(store, handles)


class _BatchHalvingScorer:
    """A scorer that uses smaller batches when memory runs out, and records that in the store."""

    def __init__(
        self, make: Callable[[ComputeRecord], Scorer], store: ScoreStore, device: torch.device, reporter: Reporter
    ) -> None:
        self._make, self._store, self._device, self._reporter = make, store, device, reporter
        self._scorer = make(store.header.compute)

    def measure(self, pixels: Batch) -> NDArray[np.float32]:
        """Measure the quantities behind the quality-control flags, (k, flags)."""
        return self._scorer.measure(pixels)

    def maps(self, pixels: Batch, seen_from: Standpoint | None) -> NDArray[np.float32]:
        """Anomaly maps (k, m, m) of tiles (k, s, s, 3)."""
        return self._fitting(lambda scorer: scorer.maps(pixels, seen_from))

    @property
    def computes_by_itself(self) -> bool:
        """Whether the device goes on while Python does something else."""
        return self._device.type == "cuda"

    def try_to_begin(
        self, pixels: Batch, quantities: NDArray[np.float32], *, keep_maps: bool
    ) -> Callable[[], TileScores] | None:
        """Begin to score some shards; call what is returned for its scores. None if memory has run out."""
        try:
            return partial(self._scorer.finish, self._scorer.begin(pixels, keep_maps=keep_maps), quantities)
        except torch.OutOfMemoryError:
            return None

    def score(self, pixels: Batch, quantities: NDArray[np.float32], *, keep_maps: bool) -> TileScores:
        """Score some shards."""
        return self._fitting(lambda scorer: scorer.score(pixels, keep_maps=keep_maps, quantities=quantities))

    def _fitting(self, compute: Callable[[Scorer], Found]) -> Found:
        """What ``compute`` returns; `WsiHaloaeError` if not even one tile fits into memory."""
        while True:
            try:
                return compute(self._scorer)
            except torch.OutOfMemoryError as error:
                reason = str(error).splitlines()[0]
            self._halve(reason)  # outside the handler, which still holds the failed batch's tensors

    def _halve(self, reason: str) -> None:
        size = self._store.header.compute.batch_size
        if size == 1:
            raise WsiHaloaeError(f"{self._device}: out of memory even with a single tile ({reason}). Use --device cpu.")
        self._reporter.warn(
            f"out of memory with {with_noun(size, 'tile')} per batch; continuing with {size // 2} ({reason})"
        )
        self._store.lower_batch_size(size // 2)
        self._scorer = self._make(self._store.header.compute)
        if self._device.type == "cuda":
            gc.collect()  # the old scorer and its recorded graphs refer to each other
            torch.cuda.empty_cache()


def _stain_matcher(
    model: Checkpoint, store: ScoreStore, source: _Source, reporter: Reporter
) -> Callable[[Batch], Batch]:
    """A function that matches the stains of this slide's tiles, if the model was trained with matched stains."""
    stains = model.facts.stains
    if stains is None or not len(store):
        return lambda batch: batch
    sample = {}
    for number in evenly(np.arange(len(store)), SAMPLED).tolist():
        try:
            sample[number] = source.read_tile(number)
        except RegionReadError:  # reported when its shard is read
            continue
    if not sample:
        reporter.warn(
            f"{store.header.slide.name}: none of {SAMPLED} tiles could be read, so its stains are not matched"
        )
        return lambda batch: batch
    glass = model.facts.config.scoring.glass_level
    return slide_matcher(store.header.slide.name, sample.__getitem__, list(sample), stains, glass)


def _without_unreadable(scores: TileScores, states: NDArray[np.uint8]) -> TileScores:
    """Set the scores of unreadable tiles to NaN; theirs were computed from the background colour."""
    lost = states == TileState.UNREADABLE
    for field in fields(scores):
        values: Any = getattr(scores, field.name)
        if values is not None:
            values[lost] = np.nan if values.dtype == np.float32 else 0
    return scores
