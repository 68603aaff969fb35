"""``wsi-haloae score``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from wsi_haloae.cli import options
from wsi_haloae.cli.adaptation import adaptation
from wsi_haloae.cli.paths import SAFETENSORS, PathArgument

PEM = PathArgument(exists=True, dir_okay=False)


@click.command()
@options.slides
@click.option(
    "-m",
    "--model",
    type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS),
    required=True,
    help="Trained model: the file that train-tiles wrote.",
)
@options.output_folder
@options.pixel_size
@options.colour_profile("as the model was trained")
@click.option(
    "--roi",
    type=PathArgument(exists=True),
    help="Score only tiles inside these polygons, whatever their class: a file of annotations, or a folder with "
    "<stem>.geojson, .xml or .json for each slide.",
)
@options.annotated_objects
@options.coordinates
@options.tissue
@adaptation(adapt_default="auto if the model has the rule descriptor", smooth_default="off")
@click.option(
    "--stride",
    type=click.IntRange(1),
    help="Pixels from one tile to the next; a smaller number makes a finer heatmap, and takes longer. Default: the "
    "tile size.",
)
@click.option(
    "--maps", is_flag=True, help="Also keep the anomaly map of each tile, and write the map of the whole slide."
)
@click.option(
    "--all-rules",
    is_flag=True,
    help="Also score by the rules that compare the structure of all feature layers (ssim, ssim_p95, layers_ssim). It "
    "takes longer; use it to compare rules.",
)
@click.option(
    "--keep-tiles",
    is_flag=True,
    help="Write the pixels of all tiles to tiles.zarr, and keep it. Use it to train on them or to look at them later.",
)
@click.option(
    "--retry-unreadable",
    is_flag=True,
    help="Try tiles again that could not be read. This is done without the option if the slide's file was changed.",
)
@click.option(
    "-b",
    "--batch-size",
    type=click.IntRange(1),
    help="Number of tiles that go through the model at once, at most 256. Default: chosen for the device.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Number format of the computation. Default: bfloat16 on a GPU that supports it, else float32.",
)
@click.option(
    "--slides-at-once",
    type=click.IntRange(1),
    help="Number of slides that are scored at the same time, each in its own process. Default: as many as fit.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Score on the workers of this Dask scheduler, e.g. tls://node1:8786, instead of on this machine.",
)
@click.option(
    "--tls-ca-file",
    type=PEM,
    help="For a tls:// scheduler: certificate of the authority (CA) that signed its certificate, as a PEM file.",
)
@click.option(
    "--tls-cert", type=PEM, help="For a tls:// scheduler: the certificate that this program presents, as a PEM file."
)
@click.option(
    "--tls-key", type=PEM, help="Private key of --tls-cert, as a PEM file. Default of all three: Dask's configuration."
)
@options.workers
@options.threads
@options.device
@options.overwrite
@options.dry_run
@options.talk
def score(
    slides: tuple[str, ...],
    name_by: Literal["stem", "parent"],
    recursive: bool,
    output: Path,
    mpp: float | None,
    override_mpp: float | None,
    slides_at_once: int | None,
    scheduler: str | None,
    tls_ca_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    dry_run: bool,
    settings: tuple[str, ...],
    pen: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Score each SLIDE with a trained model.

    Writes a report, a heatmap, tables and files for QuPath to OUTPUT/<name>/; OUTPUT/index.html
    links to all of them. SLIDE is a file, a folder, a glob, or a CSV manifest with a column 'path',
    and optionally 'mpp', 'patient' and 'group' (groups of slides are compared).

    Slides that are done are skipped, and an interrupted slide continues where it stopped. Several
    slides are scored by Dask workers; OUTPUT/cohort.csv and 'wsi-haloae status OUTPUT' show the
    progress.
    """
    from wsi_haloae.cohort.tls_files import TlsFiles
    from wsi_haloae.workspace.slide_inputs import find_slides

    tls = TlsFiles.given(tls_ca_file, tls_cert, tls_key, scheduler)
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    found = find_slides(
        slides, mpp=mpp, override_mpp=override_mpp, name_by=name_by, recursive=recursive, reporter=reporter
    )

    from wsi_haloae.scoring.options import ScoreOptions

    arguments = click.get_current_context().params
    chosen = options.chosen(ScoreOptions, given, tissue_settings=options.tissue_settings(settings, pen))
    if dry_run:
        from wsi_haloae.runs.forecast import forecast
        from wsi_haloae.runs.score_forecast import ScoreStudy

        return options.say_forecast(forecast(found, output, ScoreStudy(chosen, reporter), reporter), output)
    if len(found) == 1 and scheduler is None:  # no cluster for one slide
        from wsi_haloae.cohort.alone import score_alone

        return score_alone(found[0], output, chosen, arguments, reporter).exit_code

    from wsi_haloae.cohort.cluster import ClusterOptions
    from wsi_haloae.cohort.score import score_cohort

    where = ClusterOptions(scheduler, slides_at_once, tls)
    return score_cohort(found, output, chosen, where, arguments, reporter).exit_code
