"""``wsi-haloae view``."""

from __future__ import annotations

import logging
import webbrowser
from pathlib import Path

import click

from wsi_haloae.cli import options


@click.command()
@click.argument("scored", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="OUT")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen at; 0: any."
)
@click.option(
    "--annotations",
    type=click.Path(exists=True, path_type=Path),
    help="Outlines to draw: QuPath GeoJSON of the slide, or a folder of <stem>.geojson.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in your browser.")
@options.talk
def view(scored: Path, port: int, annotations: Path | None, open_browser: bool, quiet: bool, verbose: bool) -> int:
    """Look at the scored slides in OUT in your browser: heatmap over slide, until you press Ctrl-C.

    OUT is what score wrote, or the folder of one slide in it. Only this machine can reach the page.
    """
    from wsi_haloae.viewer.server import serve

    reporter = options.reporter(quiet=quiet, verbose=verbose)

    def ready(address: str) -> None:
        click.echo(address)
        reporter.line("Open this address in a browser. Ctrl-C ends the viewer.")
        if open_browser:
            webbrowser.open(address)

    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(scored, port, annotations, ready, reporter.warn, log_requests=verbose)
    return 0
