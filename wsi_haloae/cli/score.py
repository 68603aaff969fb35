"""``wsi-haloae score``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from wsi_haloae.cli import options

PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@options.slides
@click.option(
    "-m",
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Checkpoint that train-tiles wrote.",
)
@options.output_folder
@options.pixel_size
@click.option(
    "--roi",
    type=click.Path(exists=True, path_type=Path),
    help="Score only inside these polygons: GeoJSON, or a folder of <stem>.geojson.",
)
@click.option("--stride", type=click.IntRange(1), help="Pixels between tiles; smaller gives a finer heatmap.")
@click.option("--maps", is_flag=True, help="Keep the anomaly map of each tile.")
@click.option("--keep-tiles", is_flag=True, help="Pass the pixels through tiles.zarr, and keep it.")
@click.option("-b", "--batch-size", type=click.IntRange(1), help="Tiles per batch. Default: automatic.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Default: bfloat16 where a GPU has it.",
)
@click.option("--slides-at-once", type=click.IntRange(1), help="Each in a process of its own. Default: as fits.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Score on the workers of this Dask scheduler, e.g. tls://node1:8786."
)
@click.option("--tls-ca-file", type=PEM, help="Of the scheduler: the certificate of whoever signs. PEM, as all three.")
@click.option("--tls-cert", type=PEM, help="The certificate to show to the scheduler.")
@click.option("--tls-key", type=PEM, help="Its private key. Default: Dask's configuration.")
@options.workers
@options.threads
@options.device
@options.overwrite
@options.talk
def score(
    slides: tuple[str, ...],
    name_by: Literal["stem", "parent"],
    output: Path,
    mpp: float | None,
    override_mpp: float | None,
    slides_at_once: int | None,
    scheduler: str | None,
    tls_ca_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Score each SLIDE with a trained model: report, heatmap, table and QuPath files in OUTPUT/<name>/.

    OUTPUT/index.html leads to all of them. SLIDE is a file, a folder, a glob, or a CSV manifest with
    a column 'path', and optionally 'mpp', 'patient' and 'group' (what slides are compared by). A
    slide that is done is skipped; one that was interrupted goes on where it stopped. Several slides
    are handed out to Dask workers; OUTPUT/cohort.csv and 'wsi-haloae status OUTPUT' tell how far they
    are.
    """
    from wsi_haloae.cohort.credentials import TlsFiles
    from wsi_haloae.workspace.slide_inputs import find_slides

    tls = TlsFiles.given(tls_ca_file, tls_cert, tls_key, scheduler)
    found = find_slides(slides, mpp=mpp, override_mpp=override_mpp, name_by=name_by)

    from wsi_haloae.cohort.cluster import ClusterOptions
    from wsi_haloae.cohort.score import score_alone, score_cohort
    from wsi_haloae.runs.score import ScoreOptions

    arguments = click.get_current_context().params
    chosen = options.chosen(ScoreOptions, given)
    reporter = options.reporter(quiet=quiet, verbose=verbose)
    if len(found) == 1 and scheduler is None:  # no cluster for one slide
        return score_alone(found[0], output, chosen, arguments, reporter).exit_code
    where = ClusterOptions(scheduler, slides_at_once, tls)
    return score_cohort(found, output, chosen, where, arguments, reporter).exit_code
