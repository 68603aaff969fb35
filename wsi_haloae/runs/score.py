"""``wsi-haloae score``: slides and a model in, heatmaps out.

    slide -> tissue -> grid at the checkpoint's mpp -> score_slide -> ScoreStore -> exports

Each stage goes on with what an earlier, interrupted run left. With ``--keep-tiles`` the pixels pass
through a TileStore, which stays; otherwise they go straight to the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from wsi_haloae.atomic import recover_tree, remove_tree
from wsi_haloae.engine.batch import LARGEST, automatic_batch_size
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel, default_precision
from wsi_haloae.errors import AnnotationError, CheckpointError, OutputExistsError
from wsi_haloae.export.bundle import OpenStore, write_exports
from wsi_haloae.export.formats import all_files
from wsi_haloae.export.qupath_scripts import write_project_scripts
from wsi_haloae.export.region_geojson import WHY_NONE
from wsi_haloae.export.scored_tiles import ScoredTiles
from wsi_haloae.export.summary import summarise
from wsi_haloae.model.checkpoint import Checkpoint, file_sha256
from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.inputs import SlideInput
from wsi_haloae.runs.outcome import Outcome, for_each_slide
from wsi_haloae.runs.record import RECORD_NAME, RunRecord, is_finished, read_record
from wsi_haloae.runs.score_slide import score_slide
from wsi_haloae.runs.slide_index import write_index
from wsi_haloae.runs.tile import ChosenTiles, choose_tiles, fill_tiles
from wsi_haloae.scoring.rules import rule_words
from wsi_haloae.scoring.scorer import available_rules
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.stores import score_store, tile_store
from wsi_haloae.stores.score_store import ComputeRecord, ModelRecord, ScoreHeader, ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.annotations import find_annotations, read_annotations
from wsi_haloae.tiles.tiling import Tiling, TilingSettings

REFERENCE_QUANTILES = 256
"""Of the calibration scores, kept in each store: enough for a histogram to be laid beside the slide's."""


@dataclass(frozen=True)
class ScoreOptions:
    """What ``wsi-haloae score`` was asked for; ``batch_size`` and ``precision`` None are automatic."""

    model: Path
    device: str
    precision: str | None
    batch_size: int | None
    stride: int | None
    workers: int
    roi: Path | None
    keep_maps: bool
    keep_tiles: bool
    overwrite: bool


def score_slides(
    slides: Sequence[SlideInput], output: Path, options: ScoreOptions, arguments: Mapping[str, Any], reporter: Reporter
) -> Outcome:
    """Score every slide into ``output/<name>/``, and index them. Raises what makes all of them impossible."""
    run = ScoreRun.of(options)
    outcome = for_each_slide(slides, output, run.score_one, "score", arguments, reporter)
    write_overview(output, outcome)
    return outcome


def write_overview(output: Path, outcome: Outcome) -> None:
    """What belongs to no single slide: the index, and QuPath's scripts for a whole project."""
    if outcome.done or outcome.incomplete:
        write_project_scripts(output)
    write_index(output)


class ScoreRun:
    """One call of ``score``: the model, loaded once, and the steps of a slide."""

    def __init__(self, checkpoint: Checkpoint, mpp: float, device: torch.device, options: ScoreOptions) -> None:
        self._checkpoint, self._mpp, self._device, self._options = checkpoint, mpp, device, options
        self._threads = torch.get_num_threads()  # before a resumed slide brings its own
        # "float32" in a store means float32, not the 10-bit products that cuDNN would take by itself.
        torch.backends.cudnn.allow_tf32 = False

    @classmethod
    def of(cls, options: ScoreOptions) -> Self:
        """The model loaded; `CheckpointError` or `UsageError` for what makes every slide impossible."""
        checkpoint = Checkpoint.load(options.model)
        if checkpoint.facts.mpp is None:
            raise CheckpointError(
                f"{options.model}: trained on images without a pixel size, so it cannot be laid on a slide. "
                "Train with 'wsi-haloae train-tiles' and --mpp."
            )
        return cls(checkpoint, checkpoint.facts.mpp, resolve_device(options.device), options)

    @property
    def model_sha256(self) -> str:
        """Of the checkpoint's file."""
        return self._checkpoint.sha256

    def score_one(self, source: SlideInput, folder: Path, record: RunRecord) -> int:
        """All stages of one slide; gives the number of tiles that could not be read."""
        reporter = record.reporter
        with closing(source.open()) as slide:
            roi = find_annotations(self._options.roi, source.path) if self._options.roi else None
            tiling, header = self.plan(slide.properties, roi, reporter)
            region = read_annotations(roi, slide.properties.bounds).everything() if roi else None
            recover_tree(folder / score_store.STORE_NAME)
            if not self._options.overwrite and self._finished(folder, header):
                reporter.line(f"{source.path}: scored already, nothing to do ({folder})")
                return int(read_record(folder / RECORD_NAME).get("counts", {}).get("unreadable", 0))
            chosen = choose_tiles(slide, tiling, reporter, region)
            if roi and not len(chosen.index):
                raise AnnotationError(
                    f"{roi}: no tile of {source.path} has tissue and half of its area inside these polygons. "
                    "Are they this slide's, in pixels of level 0?"
                )
        if self._options.overwrite:  # only now: whatever was wrong with the command has been said
            _remove_outputs(folder)
        record.lap("tissue")
        scores = self._open_scores(folder, header, chosen)
        (folder / RECORD_NAME).unlink(missing_ok=True)
        if not scores.finished:
            reporter.detail(f"{source.path}: {scores.header.compute}, {self._options.workers} readers")
            tiles = self._tiles(source, folder / tile_store.STORE_NAME, chosen, record)
            score_slide(
                source,
                self._checkpoint,
                scores,
                readers=self._options.workers,
                device=self._device,
                reporter=reporter,
                tiles=tiles,
            )
            record.lap("scoring")
        scores = scores.compacted()
        exported = write_exports(scores, folder)
        record.lap("exports")
        if not self._options.keep_tiles:
            remove_tree(folder / tile_store.STORE_NAME)
        # What was lost on the thumbnail may have been tissue.
        unreadable = int((scores.states() == TileState.UNREADABLE).sum()) + len(chosen.mask.warnings)
        record.facts = self._facts(source, exported, chosen, unreadable)
        record.write(folder / RECORD_NAME, "done" if len(scores) else "empty")
        _say_done(source, folder, exported.tiles, unreadable, reporter)
        return unreadable

    def plan(self, properties: SlideProperties, roi: Path | None, reporter: Reporter) -> tuple[Tiling, ScoreHeader]:
        """Where the tiles of a slide lie, and all that decides their scores."""
        facts, options = self._checkpoint.facts, self._options
        settings = TilingSettings(self._mpp, facts.tile_size, options.stride)
        tiling = Tiling.of(properties, settings, facts.config.tissue)
        model = self._checkpoint.model
        header = ScoreHeader(
            **dict(tiling.header()),
            model=ModelRecord(
                sha256=self._checkpoint.sha256,
                rule=rule_words(facts.config.scoring),
                mpp=self._mpp,
                display_range=facts.display_range,
                map_range=facts.map_range,
                calibration=facts.calibration,
                artefacts=facts.artefacts,
            ),
            compute=self._compute(reporter),
            layers=model.backbone.layers,
            rules=tuple(available_rules(self._checkpoint)),
            map_size=model.map_size if options.keep_maps else None,
            roi_sha256=file_sha256(roi) if roi else None,
        )
        return tiling, header

    def _finished(self, folder: Path, header: ScoreHeader) -> bool:
        path = folder / score_store.STORE_NAME
        if not path.exists():
            return False
        store = ScoreStore.open(path)
        store.require_same(header)
        return is_finished(folder, "score") and store.finished

    def _open_scores(self, folder: Path, header: ScoreHeader, chosen: ChosenTiles) -> ScoreStore:
        path = folder / score_store.STORE_NAME
        if not path.exists():
            calibration = self._checkpoint.calibration
            reference = None if calibration is None else calibration.quantiles(REFERENCE_QUANTILES)
            return ScoreStore.create(path, header, chosen.index, chosen.mask.thumbnail, chosen.mask.mask, reference)
        store = ScoreStore.open(path)
        store.require_same(header, chosen.index)
        store.remove_leftovers()
        if not store.finished and store.header.compute.device != self._device.type:
            raise OutputExistsError(
                f"{path}: begun on {store.header.compute.device}, but this run is on {self._device.type}, whose "
                f"numbers differ in the last digits. Pass --device {store.header.compute.device} to go on, "
                "or --overwrite to start again."
            )
        return store

    @cached_property
    def _automatic_batch(self) -> int:
        model = InferenceModel(self._checkpoint.model, self._device, PRECISIONS[self._precision])
        return automatic_batch_size(model, self._checkpoint.facts.tile_size, self._device)

    @property
    def _precision(self) -> str:
        return self._options.precision or default_precision(self._device)

    def _compute(self, reporter: Reporter) -> ComputeRecord:
        """How new slides are computed; the automatic batch size is found once."""
        precision = self._precision
        batch_size = self._options.batch_size or self._automatic_batch
        if batch_size > LARGEST:
            reporter.line(f"--batch-size {batch_size}: a shard has {LARGEST} tiles, so batches of {LARGEST}")
            batch_size = LARGEST
        return ComputeRecord(batch_size=batch_size, dtype=precision, device=self._device.type, threads=self._threads)

    def _tiles(self, source: SlideInput, path: Path, chosen: ChosenTiles, record: RunRecord) -> TileStore | None:
        """The slide's pixels on disk, where they are wanted or there already; else they come from the slide."""
        if not self._options.keep_tiles and not path.exists():
            return None
        tiles = fill_tiles(source, path, chosen.tiling.header(), chosen, self._options.workers, record.reporter)
        record.lap("tiling")
        return tiles

    def _facts(self, source: SlideInput, exported: OpenStore, chosen: ChosenTiles, unreadable: int) -> dict[str, Any]:
        scores, tiles = exported.store, exported.tiles
        selection = tiles.selection
        return {
            "slide": {"path": str(source.path.resolve()), **scores.header.slide.model_dump(mode="json")},
            "model": {"path": str(self._options.model.resolve()), **scores.header.model.model_dump(mode="json")},
            "grid": scores.header.grid.model_dump(mode="json"),
            "compute": scores.header.compute.model_dump(mode="json"),
            "tissue": chosen.mask.parameters,
            "counts": {
                "grid": chosen.tiling.grid.rows * chosen.tiling.grid.columns,
                "tiles": len(scores),
                "scored": tiles.scored,
                "unreadable": unreadable,
                **({} if selection is None else {"anomalous": int(selection.chosen.sum())}),
                "flagged": tiles.flag_counts(),
            },
            "summary": asdict(summarise(tiles)),
            "unreadable": [asdict(tile) for tile in scores.unreadable()],
            "anomalous": selection and selection.facts(),
        }


def _say_done(source: SlideInput, folder: Path, tiles: ScoredTiles, unreadable: int, reporter: Reporter) -> None:
    if not len(tiles):
        reporter.line(f"{source.path}: no tissue found; empty outputs in {folder}")
        return
    missing = f", {unreadable} of them unreadable" if unreadable else ""
    reporter.line(f"{source.path}: {len(tiles):,} tiles scored{missing}; look at {folder / 'report.html'}")
    if tiles.selection is None:
        reporter.line(f"{source.path}: {WHY_NONE}")


def _remove_outputs(folder: Path) -> None:
    """``--overwrite``: record, stores and exports, those included that only ``export`` writes."""
    (folder / RECORD_NAME).unlink(missing_ok=True)  # first: it is what says that the rest is good
    for name in (score_store.STORE_NAME, tile_store.STORE_NAME):
        remove_tree(folder / name)
    for path in all_files(folder):
        remove_tree(path) if path.is_dir() else path.unlink(missing_ok=True)
