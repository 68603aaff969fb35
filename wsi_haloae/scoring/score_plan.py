"""Before a slide is scored: where its tiles lie, and everything that decides their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.config import TissueConfig, changed_tissue, rule_words
from wsi_haloae.coordinates.reading import find_coordinates, read_coordinates
from wsi_haloae.errors import AnnotationError, CheckpointError, UsageError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.scoring.compute import Compute
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import available_rules
from wsi_haloae.slide.properties import Slide, SlideProperties
from wsi_haloae.stores.score_header import ModelRecord, ScoreHeader
from wsi_haloae.tiles.chosen import ChosenTiles, choose_tiles
from wsi_haloae.tiles.given_tissue import tissue_for
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.workspace.slide_inputs import SlideInput


def load_slide_model(path: Path) -> tuple[Checkpoint, float]:
    """Load a checkpoint that can score slides, and the size of its pixels in µm; `CheckpointError` for any other."""
    checkpoint = Checkpoint.load(path)
    if checkpoint.facts.mpp is None:
        raise CheckpointError(
            f"{path}: trained on images without a pixel size, so it cannot score slides. "
            "Train with 'wsi-haloae train-tiles' and --mpp."
        )
    return checkpoint, checkpoint.facts.mpp


def require_colours(checkpoint: Checkpoint, options: ScoreOptions) -> None:
    """Raise `UsageError` if slides are to be scored in other colours than those of the training."""
    asked, trained = options.colour_profile, checkpoint.facts.colour_profile
    if asked not in {None, trained}:
        raise UsageError(
            f"{options.model}: --colour-profile {asked} was given, but the model was trained with '{trained}', and "
            "other colours look like anomalies to it. Leave the option out, or train a model with "
            f"'wsi-haloae train-tiles --colour-profile {asked}'."
        )


@dataclass(frozen=True, eq=False)
class ScorePlan:
    """One slide's tiling and the header of its score store; ``roi`` is the file with the polygons to score."""

    tiling: Tiling
    header: ScoreHeader
    roi: Path | None
    region: BaseGeometry | None  # in pixels of level 0

    def choose(self, slide: Slide, reporter: Reporter) -> ChosenTiles:
        """The tiles to score. Raises `AnnotationError` if the polygons hold none of the tiles with tissue."""
        chosen = choose_tiles(slide, self.tiling, reporter, self.region)
        if self.roi and not len(chosen.index) and chosen.mask.mask.any():
            raise AnnotationError(
                f"{self.roi}: no tile with tissue has half of its area inside these polygons. "
                "Check that they were drawn on this slide, in pixels of level 0."
            )
        return chosen


@dataclass(frozen=True)
class ScorePlanner:
    """Plans slides for one model: tiles at ``mpp`` µm per pixel, as ``options`` say; ``tissue`` is how it is found."""

    checkpoint: Checkpoint
    mpp: float
    compute: Compute
    options: ScoreOptions
    tissue: TissueConfig

    @classmethod
    def of(cls, checkpoint: Checkpoint, mpp: float, compute: Compute, options: ScoreOptions) -> Self:
        """Raises `ConfigError` for settings of tissue that do not exist, or do not fit the model's."""
        tissue = changed_tissue(checkpoint.facts.config.tissue, options.tissue_settings)
        return cls(checkpoint, mpp, compute, options, tissue)

    def as_trained(self, source: SlideInput) -> SlideInput:
        """The slide in the colours on which the model was trained."""
        return replace(source, colour_profile=self.checkpoint.facts.colour_profile)

    def plan(self, source: SlideInput, properties: SlideProperties, reporter: Reporter) -> ScorePlan:
        """Plan the slide ``source``. Raises `AnnotationError` for polygons that are missing or cannot be read.

        Raises `CoordinatesError` for listed tiles that cannot be used, and `MissingMppError` or `ResolutionError` if
        the slide cannot be tiled at this pixel size.
        """
        roi = find_annotations(self.options.roi, source.path) if self.options.roi else None
        settings = TilingSettings(self.mpp, self.checkpoint.facts.tile_size, self.options.stride, of_model=True)
        listed = self.options.coordinates
        given = read_coordinates(find_coordinates(listed, source.path)) if listed else None
        tiling = Tiling.of(properties, settings, self.tissue, given, tissue_for(self.options.tissue, source.path))
        header = self._header(tiling, roi, source.patient, reporter)
        return ScorePlan(tiling, header, roi, self._region(roi, properties, reporter) if roi else None)

    def _region(self, roi: Path, properties: SlideProperties, reporter: Reporter) -> BaseGeometry:
        annotations = read_annotations(roi, properties.bounds, self.options.objects)
        annotations.tell(reporter, as_area=True)
        return annotations.everything()

    def _roi_identity(self, roi: Path) -> str:
        """Two runs score the same region if the file is the same, and the kinds of objects that count in it."""
        kinds = "" if self.options.objects == "annotation" else f" {self.options.objects}"
        return file_sha256(roi) + kinds

    def _header(self, tiling: Tiling, roi: Path | None, patient: str | None, reporter: Reporter) -> ScoreHeader:
        checkpoint, facts, described = self.checkpoint, self.checkpoint.facts, self.checkpoint.descriptors
        known, fingerprint = checkpoint.trained_on, tiling.properties.fingerprint
        return ScoreHeader(
            **dict(tiling.header()),
            model=ModelRecord(
                sha256=checkpoint.sha256,
                rule=rule_words(facts.config.scoring),
                rule_name=facts.config.scoring.rule,
                mpp=self.mpp,
                display_range=facts.display_range,
                map_range=facts.map_range,
                calibration=facts.calibration,
                calibrated=facts.calibrated,
                artefacts=facts.artefacts,
            ),
            compute=self.compute.record(reporter),
            layers=checkpoint.model.backbone.layers,
            rules=tuple(available_rules(checkpoint, all_rules=self.options.all_rules)),
            map_size=checkpoint.model.map_size if self.options.maps else None,
            map_adds_up=self.options.maps and facts.config.scoring.map_adds_up,
            roi_sha256=self._roi_identity(roi) if roi else None,
            descriptor_size=None if described is None else described.reference.dimensions,
            trained_on=None if known is None else known.use_of(fingerprint, patient),
        )
