"""``wsi-haloae export``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.adaptation import adaptation
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.export.formats import FORMATS, default_formats

if TYPE_CHECKING:
    from wsi_haloae.adaptation.adapt import Asked


class Score(click.ParamType[float]):
    """An anomaly score."""

    name = "score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A finite number; with `nan` no tile would ever be called anomalous."""
        try:
            score = float(value)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            self.fail(f"{value!r} is not a score; give a finite number, e.g. 3.5", param, ctx)
        return score


class ListingFormats(click.Command):
    """A command whose help ends with a list of the formats and their files."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the list, from the table of formats."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Formats"):
            formatter.write_dl([(name, _words(name)) for name in FORMATS], col_max=12)


def _words(name: str) -> str:
    row = FORMATS[name]
    words = "; ".join(f"{file}: {what}" for file, what in row.files.items())
    needs = f"; needs the package {row.package}" if row.package else ""
    return f"{words}{needs}" if row.is_default else f"{words}. Written only if you name it{needs}"


@click.command(cls=ListingFormats)
@click.argument("scored", type=PathArgument(exists=True, file_okay=False), metavar="OUT")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="Write only this format. Repeat the option for several. The list below says which are written by default.",
)
@click.option(
    "--threshold",
    type=Score(),
    help="Call tiles anomalous if their score is above this number, instead of using p-values.",
)
@click.option(
    "--fdr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Call tiles anomalous at this false-discovery rate; an error if the model has too few calibration tiles for "
    "it. Default: 0.1, or a per-tile error rate of 0.05 if there are too few.",
)
@click.option(
    "--min-score",
    type=Score(),
    help="Leave tiles with a lower score out of tiles.geojson, to make a smaller file for QuPath.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Join neighbouring tiles of the same colour into one object in tiles.geojson: fewer objects for QuPath.",
)
@adaptation(
    adapt_default="auto with --anchors; without, scores stay adapted as they are",
    smooth_default="as the scores are now",
)
@click.option("--gz", is_flag=True, help="Compress: write tiles.geojson.gz instead of tiles.geojson.")
@options.talk
def export(
    scored: Path,
    formats: tuple[str, ...],
    threshold: float | None,
    fdr: float | None,
    min_score: float | None,
    merge: bool,
    gz: bool,
    adapt: Asked | None,
    anchors: Path | None,
    smooth: float | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Write the files of scored slides again, without scoring.

    Use it to adapt scores to the slide in another way, to smooth them, to call tiles by another threshold or
    false-discovery rate, or for a format that score does not write.
    OUT is the folder that 'score -o' wrote, or the folder of one slide in it.
    """
    from wsi_haloae.calibration.selection import Criterion
    from wsi_haloae.cohort.overview import write_cohort
    from wsi_haloae.errors import UsageError
    from wsi_haloae.export.open_store import ExportSettings
    from wsi_haloae.runs.export import ExportOptions, export_slides

    if threshold is not None and fdr is not None:
        raise UsageError(
            "--threshold and --fdr were both given, but only one can decide which tiles are anomalous. Leave one out."
        )
    criterion = Criterion(threshold, fdr)
    settings = ExportSettings(criterion, min_score=min_score, merge=merge, gz=gz)
    chosen = ExportOptions(formats or default_formats(), settings, adapt, anchors, smooth)
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    result = export_slides(scored, chosen, click.get_current_context().params, reporter)
    if result.done:
        write_cohort(scored, reporter)
    return result.exit_code
