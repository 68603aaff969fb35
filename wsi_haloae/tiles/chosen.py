"""Which tiles of a slide are read: those with tissue, or those of a file, and inside the region, if one was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from wsi_haloae.coordinates.reading import GivenTiles
from wsi_haloae.errors import NoTissueError
from wsi_haloae.pages import percent
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Slide
from wsi_haloae.stores.sharded import TileIndex
from wsi_haloae.tiles.given_tissue import tissue_on
from wsi_haloae.tiles.grid import TileGrid
from wsi_haloae.tiles.placing import place_on
from wsi_haloae.tiles.preview import write_preview
from wsi_haloae.tiles.tiling import Tiling
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.tissue.parts import left_out, shares


@dataclass(frozen=True)
class ChosenTiles:
    """The tiles to read on one slide, and the tissue mask that decided them."""

    tiling: Tiling
    mask: TissueMask
    index: TileIndex

    @property
    def why_empty(self) -> str | None:
        """Why there is no tile on a slide that is not empty glass; None if there are tiles, or nothing but glass."""
        if len(self.index) or not self.mask.mask.any():
            return self.mask.why_empty
        least = self.tiling.tissue_config.min_fraction
        return (
            f"{percent(float(self.mask.mask.mean()))} of the slide is tissue, but no tile has {percent(least)} of it: "
            "smaller tiles, or --set tissue.min_fraction with a smaller value, find some."
        )

    def facts(self) -> dict[str, Any]:
        """The section *tissue* of ``run.json``: what decided the mask, and what share of the slide each part is."""
        found = {"given": str(self.tiling.given_tissue), **self.mask.parameters, "shares": shares(self.mask.parts)}
        return found | ({"why_empty": self.why_empty} if self.why_empty else {})

    def require_some(self) -> None:
        """Raise `NoTissueError` if there is no tile, although the slide is not empty glass."""
        if self.why_empty:
            raise no_tissue(self.why_empty)

    def preview(self, file: Path) -> None:
        """The mask and the grid on the thumbnail, as a picture."""
        write_preview(
            file,
            self.mask.thumbnail,
            self.mask.parts,
            slide=self.tiling.header().slide,
            grid=self.tiling.grid,
            index=self.index,
        )


def choose_tiles(
    slide: Slide, tiling: Tiling, reporter: Reporter, region: BaseGeometry | None = None, **coverage: float
) -> ChosenTiles:
    """Find the tissue and choose the tiles, and say how much of the slide was left out as what."""
    chosen = look_for_tissue(slide, tiling, reporter, region, **coverage)
    if slide.properties.profile_use == "apply":
        reporter.line(f"{slide.properties.name}: colours {slide.properties.colours}")
    name, parts, places = slide.properties.name, chosen.mask.parts, tiling.grid.rows * tiling.grid.columns
    reporter.line(f"{name}: {percent(float(chosen.mask.mask.mean()))} tissue; left out: {left_out(parts)}")
    reporter.line(f"{name}: {len(chosen.index):,} of {places:,} tiles chosen")
    return chosen


def look_for_tissue(
    slide: Slide, tiling: Tiling, reporter: Reporter, region: BaseGeometry | None = None, **coverage: float
) -> ChosenTiles:
    """The same in silence. Parts of the thumbnail that cannot be read are reported as warnings."""
    mask = tissue_on(slide, tiling.tissue_config, tiling.given_tissue)
    for warning in mask.warnings:
        reporter.warn(warning)
    index = tiling.choose(mask, region, **coverage)
    if tiling.given is not None:
        _tell_given(tiling.given, index, tiling.grid, reporter)
    return ChosenTiles(tiling, mask, index)


def _tell_given(given: GivenTiles, index: TileIndex, grid: TileGrid, reporter: Reporter) -> None:
    """Say what became of the tiles of a file, where it is not what the file says."""
    distinct = len(np.unique(given.locations, axis=0))
    placed = place_on(grid, given.locations)
    overlapping = distinct - len(placed.rows)
    if overlapping:
        reporter.warn(
            f"{given.path}: {overlapping:,} of {distinct:,} tiles are left out, because they overlap others: each cell "
            f"of the grid holds one tile. Give their distance by --stride (now {grid.stride}, in pixels of the tile)."
        )
    away = np.abs(index.location - grid.locations(index.row, index.column)).max(initial=0)
    if away > 1:
        reporter.line(
            f"{given.path}: the tiles lie off the regular grid, by up to {away:,} pixels of level 0. They are read "
            "where they lie; pictures and regions show each in the nearest cell."
        )


def no_tissue(why: str) -> NoTissueError:
    """The error for a slide without tiles that is not empty glass; whoever reports it names the slide."""
    return NoTissueError(f"no tissue was found: {why}")
