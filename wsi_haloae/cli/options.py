"""Options that recur, each written down once, and the reporter that -q and -v make."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import printable_lines
from wsi_haloae.workspace.recorder import versions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Command = TypeVar("Command", bound=Callable[..., Any])
Options = TypeVar("Options", bound="DataclassInstance")


class PixelSize(click.ParamType[float]):
    """Micrometres per pixel."""

    name = "mpp"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A number between 0.01 and 100."""
        try:
            mpp = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number; micrometres per pixel are needed, e.g. 0.5", param, ctx)
        if not 0.01 <= mpp <= 100:
            self.fail(f"{mpp} is no pixel size; 0.25 is typical of 40x, 0.5 of 20x (micrometres per pixel)", param, ctx)
        return mpp


def talk(command: Command) -> Command:
    """``-v`` and ``-q``."""
    command = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        callback=_trace_errors,
        help="Say what each stage runs on and takes, and where an error comes from.",
    )(command)
    return click.option("-q", "--quiet", is_flag=True, help="Say only warnings and errors.")(command)


def _trace_errors(context: click.Context, _option: click.Parameter, verbose: bool) -> bool:
    """An error may end the command before it has a reporter: `main.run` then says where it comes from."""
    if isinstance(context.obj, Reporter):
        context.obj.verbose = verbose
    return verbose


def pixel_size(command: Command) -> Command:
    """``--mpp`` and ``--override-mpp``."""
    command = click.option(
        "--override-mpp", type=PixelSize(), help="Micrometres per pixel of level 0, even if the file states another."
    )(command)
    return click.option(
        "--mpp", type=PixelSize(), help="Micrometres per pixel of level 0, where the file states none."
    )(command)


def slides(command: Command) -> Command:
    """The SLIDE arguments and how their outputs are named."""
    command = click.option(
        "--name-by",
        type=click.Choice(["stem", "parent"]),
        default="stem",
        help="Name outputs by the file's stem, or with its folder's name before it.",
    )(command)
    return click.argument("slides", nargs=-1, required=True, metavar="SLIDE...")(command)


def tiling(command: Command) -> Command:
    """How a slide is cut into tiles."""
    command = click.option("--stride", type=click.IntRange(1), help="Pixels between tiles. Default: the tile size.")(
        command
    )
    command = click.option(
        "--tile-size", type=click.IntRange(16), default=256, show_default=True, help="Side of a tile in pixels."
    )(command)
    return click.option(
        "--mpp-target", type=PixelSize(), help="Micrometres per pixel of the tiles. Default: level 0 as it is."
    )(command)


def configuration(command: Command) -> Command:
    """``--config`` and ``--set``."""
    command = click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting, e.g. training.steps=500."
    )(command)
    return click.option(
        "--config",
        "configs",
        multiple=True,
        metavar="NAME_OR_FILE",
        help="A preset or a YAML file; a second one is laid over the first. Default: haloae.",
    )(command)


def weights(command: Command) -> Command:
    """``--weights``."""
    return click.option(
        "--weights",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Backbone weights (safetensors, torchvision's or timm's keys). Default: downloaded by that library.",
    )(command)


def device(command: Command) -> Command:
    """``--device``."""
    return click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda[:N] or mps.")(command)


def workers(command: Command) -> Command:
    """``-n``."""
    return click.option(
        "-n", "--num-workers", type=click.IntRange(1), default=available_cores, show_default="cores", help="Readers."
    )(command)


def threads(command: Command) -> Command:
    """``--threads``."""
    return click.option(
        "--threads",
        type=click.IntRange(1),
        help="Threads that compute. Default: OMP_NUM_THREADS, or as there are cores.",
    )(command)


def overwrite(command: Command) -> Command:
    """``--overwrite``."""
    return click.option("--overwrite", is_flag=True, help="Replace what another run left in the output.")(command)


def output_folder(command: Command) -> Command:
    """``-o`` for commands that write a folder."""
    return click.option(
        "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Output folder."
    )(command)


def chosen(kind: type[Options], given: Mapping[str, Any], **more: Any) -> Options:
    """The dataclass of a command's options: each field takes the option of its name, or what ``more`` says."""
    return kind(**{each.name: given[each.name] for each in fields(kind) if each.name in given}, **more)


def say(text: str) -> None:
    """What was asked for, on stdout; names of files in it cannot act on the terminal."""
    click.echo(printable_lines(text))


def reporter(*, quiet: bool, verbose: bool) -> Reporter:
    """Where the run says what it does; with ``-v`` it begins with what it runs on."""
    made = Reporter(quiet=quiet, verbose=verbose)
    if verbose:
        packages = ", ".join(f"{name} {number}" for name, number in versions().items())
        made.detail(f"{packages}; {platform.platform()}; {available_cores()} of {os.cpu_count()} cores")
    return made
