"""Tiling: which tiles of a slide to read, decided before any of them is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.coverage import coverage
from wsi_haloae.config import TissueConfig
from wsi_haloae.coordinates.reading import GivenTiles
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.stores.store_header import GridRecord, SlideRecord, StoreHeader
from wsi_haloae.tiles.given_tissue import GivenTissue, record_of
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.placing import Places, place_on, require_fitting
from wsi_haloae.tiles.plan import ReadPlan
from wsi_haloae.tissue.mask import TissueMask

MIN_COVERAGE = 0.5
"""A tile belongs to an annotated region if at least this share of its area lies in it."""
TILE_SIZE = 256
"""Side of a tile in pixels, unless the user asks for another."""


@dataclass(frozen=True)
class TilingSettings:
    """The user's settings. ``mpp_target`` None: level 0 as it is. ``stride`` None: no overlap.

    ``of_model``: tile and pixel size are those on which a model was trained.
    """

    mpp_target: float | None = None
    tile_size: int = TILE_SIZE
    stride: int | None = None
    of_model: bool = False


@dataclass(frozen=True)
class Tiling:
    """A slide's read plan and grid; `choose` makes the index of the tiles to read."""

    properties: SlideProperties
    plan: ReadPlan
    grid: TileGrid
    tissue_config: TissueConfig
    given: GivenTiles | None = None
    given_tissue: GivenTissue = "auto"

    @classmethod
    def of(
        cls,
        properties: SlideProperties,
        settings: TilingSettings,
        tissue: TissueConfig,
        given: GivenTiles | None = None,
        given_tissue: GivenTissue = "auto",
    ) -> Tiling:
        """Plan a slide's tiles. Raises `MissingMppError`, `ResolutionError` or `UsageError` (stride).

        With ``given``, these tiles are read, wherever they lie, and their overlap is the default of the stride.
        Raises `CoordinatesError` if they have another size, or lie outside the slide.
        """
        plan = ReadPlan.for_slide(properties, settings.mpp_target, of_model=settings.of_model)
        usual = settings.tile_size
        if given is not None:
            usual = max(1, round(usual * (1 - given.overlap)))
        stride = usual if settings.stride is None else settings.stride
        grid = TileGrid.for_plan(plan, properties.width, properties.height, settings.tile_size, stride)
        if given is not None:
            require_fitting(given, properties, grid)
        return cls(properties, plan, grid, tissue, given, given_tissue)

    def header(self) -> StoreHeader:
        """The header of a store of these tiles: slide, grid, read plan and tissue settings."""
        p = self.properties
        mpp_x, mpp_y = p.known_mpp()
        return StoreHeader(
            slide=SlideRecord(
                name=p.name,
                vendor=p.vendor,
                width=p.width,
                height=p.height,
                mpp_x=mpp_x,
                mpp_y=mpp_y,
                objective_power=p.objective_power,
                bounds=(p.bounds.l0_x, p.bounds.l0_y, p.bounds.width, p.bounds.height) if p.bounds else None,
                background=p.background,
                fingerprint=p.fingerprint,
            ),
            grid=GridRecord(**asdict(self.grid)),
            read_plan=asdict(self.plan),
            tissue=record_of(self.given_tissue, self.tissue_config),
            coordinates_sha256=None if self.given is None else self.given.sha256,
            colour_profile=p.profile_use,
        )

    def choose(
        self, tissue: TissueMask, region: BaseGeometry | None = None, min_coverage: float = MIN_COVERAGE
    ) -> TileIndex:
        """Tiles with enough tissue, or those that were given, and if a region is given, enough of their area in it."""
        if self.given is None:
            rows, columns = self.grid.all_indices()
            places = Places(rows, columns, self.grid.locations(rows, columns), self.grid.clipped_sizes(rows, columns))
        else:
            places = place_on(self.grid, self.given.locations)
        fractions = tissue.fractions(places.locations, places.sizes)
        index = TileIndex(places.rows, places.columns, places.locations, places.sizes, fractions)
        if self.given is None:
            # A mask is never exactly zero by chance, so "at least 0" must not mean bare glass.
            index = index.select((fractions >= self.tissue_config.min_fraction) & (fractions > 0))
        if region is None or not len(index):
            return index
        inside = coverage(region, index.location, index.size)
        return index.select(inside >= np.float64(min_coverage))
