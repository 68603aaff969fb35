"""The options that name outlines with classes, to judge scored slides by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.cli import options
from wsi_haloae.cli.paths import PathArgument
from wsi_haloae.errors import UsageError

if TYPE_CHECKING:
    from wsi_haloae.evaluation.labelled_slide import Outlines

Command = TypeVar("Command", bound=Callable[..., Any])


def outlines(*, required: bool) -> Callable[[Command], Command]:
    """``--annotations``, ``--objects``, ``--reference`` and ``--min-coverage``."""

    def decorate(command: Command) -> Command:
        command = click.option(
            "--min-coverage",
            type=click.FloatRange(0, 1, min_open=True),
            default=0.5,
            show_default=True,
            help="Share of a tile's area that a class must cover for the tile to have this class.",
        )(command)
        command = click.option(
            "--reference",
            multiple=True,
            required=required,
            help="Class that is not anomalous, e.g. Tumor: what the model was trained on. Without a class of this "
            "name, those derived from it (Tumor: Positive). Repeat the option for several; every other class counts as "
            "anomalous.",
        )(command)
        command = options.annotated_objects(command)
        return click.option(
            "--annotations",
            type=PathArgument(exists=True),
            required=required,
            help="Outlines with classes: a file for one slide (QuPath GeoJSON, ASAP or ImageScope XML, DSA JSON), or a "
            "folder with <stem>.geojson, .xml or .json for each slide.",
        )(command)

    return decorate


def given_outlines(
    annotations: Path | None, reference: Sequence[str], min_coverage: float, objects: Objects
) -> Outlines | None:
    """The outlines that these options name; None without any. Raises `UsageError` for half of them."""
    from wsi_haloae.evaluation.labelled_slide import Outlines

    if annotations is None and not reference:
        return None
    if annotations is None or not reference:
        missing = "--annotations" if annotations is None else "--reference"
        raise UsageError(
            f"{missing} is missing: outlines (--annotations) and their class that is not anomalous (--reference) are "
            "needed together. Give both, or none."
        )
    return Outlines(annotations, reference, min_coverage, objects)
