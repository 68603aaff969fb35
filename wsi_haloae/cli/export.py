"""``wsi-haloae export``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from wsi_haloae.cli import options
from wsi_haloae.export.formats import FORMATS, default_formats


class Score(click.ParamType[float]):
    """An anomaly score."""

    name = "score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A finite number; `nan` would call nothing and say nothing."""
        try:
            score = float(value)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            self.fail(f"{value!r} is no score; a finite number is needed, e.g. 3.5", param, ctx)
        return score


class ListingFormats(click.Command):
    """A command whose help ends with the formats and their files."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, from the table of formats."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Formats"):
            formatter.write_dl([(name, _words(name)) for name in FORMATS], col_max=12)


def _words(name: str) -> str:
    row = FORMATS[name]
    words = "; ".join(f"{file}: {what}" for file, what in row.files.items())
    needs = f"; needs the package {row.package}" if row.package else ""
    return f"{words}{needs}" if row.is_default else f"{words}. Only if you name it{needs}"


@click.command(cls=ListingFormats)
@click.argument("scored", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="OUT")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="Write only this format instead of all; repeatable. The formats are listed below.",
)
@click.option("--threshold", type=Score(), help="Call tiles with a score above this anomalous.")
@click.option(
    "--fdr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Call tiles at this false-discovery rate; refused where the calibration tiles are too few for it. Default: "
    "0.1, or a per-tile error rate of 0.05 where they are too few.",
)
@click.option("--min-score", type=Score(), help="Leave tiles with a score below this out of tiles.geojson.")
@click.option("--merge", is_flag=True, help="Make one object of neighbours of one colour in tiles.geojson.")
@click.option("--gz", is_flag=True, help="Write tiles.geojson.gz instead of tiles.geojson.")
@options.talk
def export(
    scored: Path,
    formats: tuple[str, ...],
    threshold: float | None,
    fdr: float | None,
    min_score: float | None,
    merge: bool,
    gz: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Write the files of the scored slides in OUT again, without scoring: all of them, or by other settings.

    OUT is the folder that 'score -o' wrote, or that of one slide in it.
    """
    from wsi_haloae.calibration.selection import Criterion
    from wsi_haloae.cohort.overview import write_cohort
    from wsi_haloae.errors import UsageError
    from wsi_haloae.export.open_store import ExportSettings
    from wsi_haloae.runs.export import ExportOptions, export_slides

    if threshold is not None and fdr is not None:
        raise UsageError("--threshold and --fdr were both given; tiles are called by one of them.")
    criterion = Criterion(threshold, fdr)
    settings = ExportSettings(criterion, min_score=min_score, merge=merge, gz=gz)
    chosen = ExportOptions(formats or default_formats(), settings)
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    outcome = export_slides(scored, chosen, click.get_current_context().params, reporter)
    if outcome.done:
        write_cohort(scored, reporter)
    return outcome.exit_code
