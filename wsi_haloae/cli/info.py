"""``wsi-haloae info``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.cli import options
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.quoting import printable

if TYPE_CHECKING:
    from wsi_haloae.config import ProfileUse
    from wsi_haloae.workspace.slide_inputs import SlideInput


@click.command()
@click.argument("slide", type=PathArgument(), required=False)
@click.option(
    "--annotations",
    type=PathArgument(exists=True),
    help="Describe this file of annotations: classes, areas, what does not count and why. With SLIDE also whether they "
    "lie on it; then it may be a folder with <stem>.geojson, .xml or .json.",
)
@click.option("--slide", "drawn_on", type=PathArgument(), help="With --annotations: the same as SLIDE.")
@options.annotated_objects
@options.pixel_size
@options.colour_profile("ignore")
@options.tiling
@options.tissue
@click.option(
    "--preview",
    type=PathArgument(dir_okay=False),
    metavar="FILE.png",
    help="Also draw the slide with its tissue outlined, what was left out in colours, and the tiles.",
)
def info(
    slide: Path | None,
    annotations: Path | None,
    drawn_on: Path | None,
    objects: Objects,
    mpp: float | None,
    override_mpp: float | None,
    colour_profile: ProfileUse | None,
    mpp_target: float | None,
    tile_size: int,
    stride: int | None,
    tissue: Path | Literal["auto", "all"],
    pen: str | None,
    settings: tuple[str, ...],
    preview: Path | None,
) -> None:
    """Print facts about a SLIDE, or about annotations.

    Those of a slide are size, pixel size, levels, share of tissue, what was left out, and how it
    would be tiled.
    """
    from wsi_haloae.config import TissueConfig, changed_tissue
    from wsi_haloae.errors import UsageError
    from wsi_haloae.runs.info import describe_slide
    from wsi_haloae.runs.info_annotations import describe_annotations
    from wsi_haloae.tiles.tiling import TilingSettings

    named = [path for path in (slide, drawn_on) if path is not None]
    if len(named) > 1 or not (named or annotations):
        raise UsageError(
            "info describes one SLIDE, or the annotations in --annotations FILE. Name one of them, or both."
        )
    source = _one_slide(named[0], mpp, override_mpp, colour_profile or "ignore") if named else None
    if preview is not None and source is None:
        raise UsageError(f"--preview {preview} draws a slide: name the SLIDE, too.")
    facts: list[Iterable[tuple[str, str]]] = []
    if annotations is not None:
        facts.append(describe_annotations(annotations, source, objects, override_mpp or mpp))
    if source is not None and (preview is not None or not facts):
        tiling = TilingSettings(mpp_target, tile_size, stride)
        found_by = changed_tissue(TissueConfig(), options.tissue_settings(settings, pen))
        reporter = options.reporter(quiet=False, verbose=False)
        facts.append(describe_slide(source, tiling, found_by, tissue, preview, reporter))
    for fact, value in chain.from_iterable(facts):
        options.say(f"{fact:<18}{printable(value)}")


def _one_slide(slide: Path, mpp: float | None, override_mpp: float | None, colours: ProfileUse) -> SlideInput:
    from wsi_haloae.annotations.finding import SUFFIXES
    from wsi_haloae.errors import UsageError
    from wsi_haloae.workspace.slide_inputs import find_slides

    if slide.name.lower().endswith(SUFFIXES) and slide.is_file():
        raise UsageError(f"{slide}: this is a file of annotations, not a slide. Pass it as --annotations {slide}.")
    reporter = options.reporter(quiet=False, verbose=False)
    found = find_slides(
        [str(slide)],
        mpp=mpp,
        override_mpp=override_mpp,
        name_by="parent",
        recursive=True,
        colour_profile=colours,
        reporter=reporter,
    )
    if len(found) != 1:
        raise UsageError(
            f"{slide}: {len(found)} slides found, but info describes one slide. Name one file, e.g. "
            f"{_first_that_opens(found).path}."
        )
    return found[0]


def _first_that_opens(found: Sequence[SlideInput]) -> SlideInput:
    """The first slide that can be described, or just the first."""
    for source in found:
        try:
            with closing(source.open()):
                return source
        except WsiHaloaeError:
            continue
    return found[0]
