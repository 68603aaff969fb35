"""``wsi-haloae view``."""

from __future__ import annotations

import logging
import webbrowser
from pathlib import Path

import click

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.cli import options
from wsi_haloae.cli.paths import PathArgument


@click.command()
@click.argument("scored", type=PathArgument(exists=True, file_okay=False), metavar="OUT")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port of the local web server; 0 takes any free one.",
)
@click.option(
    "--annotations",
    type=PathArgument(exists=True),
    help="Outlines to draw on the slides: a file of annotations, or a folder with <stem>.geojson, .xml or .json for "
    "each slide.",
)
@options.annotated_objects
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="A name in the browser's address, or one that a proxy passes on, such as hub.example.org. Repeatable. This "
    "machine's localhost needs none, at any port.",
)
@click.option(
    "--base-path",
    default="",
    metavar="PATH",
    help="The path before the page, if a proxy passes it on, such as /node/cn12/8765. Most proxies leave it out.",
)
@click.option("--open", "open_browser", is_flag=True, help="Also open the page in your browser.")
@options.talk
def view(
    scored: Path,
    port: int,
    annotations: Path | None,
    objects: Objects,
    allow_host: tuple[str, ...],
    base_path: str,
    open_browser: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Show the scored slides in OUT in your browser.

    The heatmap lies over each slide. Press Ctrl-C to end. OUT is the folder that score wrote, or
    the folder of one slide in it. Only this machine can open the page; from elsewhere, ssh -L or
    a proxy with a login leads to it.
    """
    from wsi_haloae.viewer.front import Front
    from wsi_haloae.viewer.server import serve

    reporter = options.reporter(quiet=quiet, verbose=verbose)

    def ready(address: str) -> None:
        click.echo(address)
        reporter.line("Open this address in a browser. Press Ctrl-C to end the viewer.")
        if open_browser:
            webbrowser.open(address)

    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    front = Front.given(base_path, allow_host)
    serve(scored, port, annotations, ready, reporter.warn, objects=objects, front=front, log_requests=verbose)
    return 0
