"""``wsi-haloae info``: the facts about a slide, and how it would be cut into tiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from wsi_haloae.config import TissueConfig
from wsi_haloae.pages import percent
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.colour_profile import ColourProfile
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.tiles.chosen import look_for_tissue
from wsi_haloae.tiles.given_tissue import GivenTissue, tissue_for
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.tissue.parts import left_out
from wsi_haloae.workspace.slide_inputs import SlideInput


def describe_slide(
    source: SlideInput,
    settings: TilingSettings,
    tissue: TissueConfig,
    given_tissue: GivenTissue,
    preview: Path | None,
    reporter: Reporter,
) -> Iterator[tuple[str, str]]:
    """Yield rows of (fact, value), each as soon as it is known, and draw the tissue into the file ``preview``.

    Raises `SlideError` if the slide cannot be opened. Raises `MissingMppError` or `ResolutionError`, after the
    slide's own facts, if it cannot be tiled with these settings, and `NoTissueError` at the end if it is not empty
    glass, but has no tissue.
    """
    with closing(source.open()) as slide:
        yield from _facts(slide.properties)
        tiling = Tiling.of(slide.properties, settings, tissue, given_tissue=tissue_for(given_tissue, source.path))
        yield from _tiling_facts(tiling)
        chosen = look_for_tissue(slide, tiling, reporter)
        yield "tissue", f"{percent(float(chosen.mask.mask.mean()))} of the slide"
        yield "left out", left_out(chosen.mask.parts)
        yield "tiles with tissue", f"{len(chosen.index):,} (at least {percent(tissue.min_fraction)} tissue)"
    if preview is not None:
        chosen.preview(preview)
        yield "preview", str(preview)
    chosen.require_some()


def _facts(p: SlideProperties) -> Iterator[tuple[str, str]]:
    yield "slide", p.name
    yield "vendor", p.vendor
    yield "size", f"{p.width:,} x {p.height:,} pixels"
    stated = "not in the file" if p.mpp_x is None or p.mpp_y is None else f"x {p.mpp_x:.6g}, y {p.mpp_y:.6g} µm"
    yield "mpp", f"{stated}; not believed: the file states {p.mpp_doubt}" if p.mpp_doubt else stated
    yield "objective", "not in the file" if p.objective_power is None else f"{p.objective_power:g}x"
    if p.bounds is None:
        yield "bounds", "none"
    else:
        yield "bounds", f"x {p.bounds.l0_x}, y {p.bounds.l0_y}, {p.bounds.width} x {p.bounds.height} pixels"
    yield "background", "#{:02x}{:02x}{:02x}".format(*p.background)
    yield "colour profile", _profile_words(p.profile)
    for level, (width, height) in enumerate(p.level_dimensions):
        yield f"level {level}", f"{width:,} x {height:,}, downsample {p.level_downsamples[level]:.4g}"
    yield "pixels by", p.reader
    yield "fingerprint", p.fingerprint[:16]


def _profile_words(profile: ColourProfile | None) -> str:
    if profile is None:
        return "none in the file; --colour-profile apply takes the slide as sRGB"
    if profile.problem:
        return f"cannot be applied: {profile.problem}"
    return f"{profile} (--colour-profile apply converts to sRGB by it)"


def _tiling_facts(tiling: Tiling) -> Iterator[tuple[str, str]]:
    plan, grid = tiling.plan, tiling.grid
    how = "natively" if plan.scale_x == plan.scale_y == 1 else f"and shrinks by {plan.scale_x:.4g} x {plan.scale_y:.4g}"
    yield "tiler reads", f"level {plan.level} {how}"
    yield "tiles", f"{grid.tile_size} px at {plan.mpp_x:.4g} x {plan.mpp_y:.4g} µm/px, stride {grid.stride}"
    yield "grid", f"{grid.columns} columns x {grid.rows} rows = {grid.columns * grid.rows:,}"
