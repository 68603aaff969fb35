"""The options that adapt and smooth scores: of ``score``, and of ``export``, which keeps what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from wsi_haloae.cli.paths import PathArgument

Command = TypeVar("Command", bound=Callable[..., Any])


def adaptation(*, adapt_default: str, smooth_default: str) -> Callable[[Command], Command]:
    """``--adapt``, ``--anchors`` and ``--smooth``; the defaults say what a command does without the first and last."""

    def decorate(command: Command) -> Command:
        command = click.option(
            "--smooth",
            type=click.FloatRange(min=0),
            metavar="UM",
            help="Each tile's score becomes the median of the tiles within this many µm: clearer areas, but small "
            f"lesions are lost. 0: off. Default: {smooth_default}.",
        )(command)
        command = click.option(
            "--anchors",
            type=PathArgument(exists=True),
            help="Tiles that you know to be reference tissue: a file of annotations with polygons or points of the "
            "class Reference, or a folder with <stem>.geojson for each slide. A few tiles (3 to 10) are enough.",
        )(command)
        return click.option(
            "--adapt",
            type=click.Choice(["auto", "none", "slide", "anchors"]),
            help="What the slide's tiles are compared with: anchors (tiles that you mark), slide (its own tiles that "
            "are most like the reference), or none (only the training tiles). auto: anchors if given, else slide, "
            f"unless nothing on the slide seems to be reference tissue. Default: {adapt_default}.",
        )(command)

    return decorate
