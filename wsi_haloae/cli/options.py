"""Options that several commands share, and the reporter that -q and -v configure."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wsi_haloae.cli.paths import SAFETENSORS, PathArgument
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import printable, printable_lines
from wsi_haloae.workspace.recorder import versions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from wsi_haloae.runs.forecast import Forecast

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
            self.fail(f"{value!r} is not a number; give micrometres per pixel, e.g. 0.5", param, ctx)
        if not 0.01 <= mpp <= 100:
            self.fail(
                f"{mpp} is not between 0.01 and 100 micrometres per pixel; typical are 0.25 (40x) and 0.5 (20x)",
                param,
                ctx,
            )
        return mpp


def talk(command: Command) -> Command:
    """``-v`` and ``-q``."""
    command = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        callback=_trace_errors,
        help="Also print what each stage runs on, how long it takes, and the traceback of an error.",
    )(command)
    return click.option("-q", "--quiet", is_flag=True, help="Print only warnings and errors.")(command)


def _trace_errors(context: click.Context, _option: click.Parameter, verbose: bool) -> bool:
    """For an error that ends the command before it has a reporter: `main.run` then prints the traceback."""
    if isinstance(context.obj, Reporter):
        context.obj.verbose = verbose
    return verbose


def pixel_size(command: Command) -> Command:
    """``--mpp`` and ``--override-mpp``."""
    command = click.option(
        "--override-mpp",
        type=PixelSize(),
        help="Micrometres per pixel of level 0, instead of the value in the file. Use it if that value is wrong.",
    )(command)
    return click.option(
        "--mpp", type=PixelSize(), help="Micrometres per pixel of level 0, for files that do not state it."
    )(command)


def colour_profile(default: str) -> Callable[[Command], Command]:
    """``--colour-profile``; ``default`` says what a command does without it."""
    return click.option(
        "--colour-profile",
        type=click.Choice(["apply", "ignore"]),
        help="Convert slides to sRGB by their colour (ICC) profile, or take pixels as they are stored. Default: "
        f"{default}.",
    )


def slides(command: Command) -> Command:
    """The SLIDE arguments, where they are searched, and how their outputs are named."""
    command = click.option(
        "--name-by",
        type=click.Choice(["stem", "parent"]),
        default="stem",
        help="Name the outputs by the file's name without extension (stem), or put its folder's name before it "
        "(parent). Use parent if files in different folders have the same name.",
    )(command)
    command = click.option("--recursive", is_flag=True, help="Search the subfolders of a folder too.")(command)
    return click.argument("slides", nargs=-1, required=True, metavar="SLIDE...")(command)


def tiling(command: Command) -> Command:
    """How a slide is cut into tiles."""
    command = click.option(
        "--stride",
        type=click.IntRange(1),
        help="Pixels from one tile to the next. Default: the tile size, so that tiles do not overlap.",
    )(command)
    command = click.option(
        "--tile-size", type=click.IntRange(16), default=256, show_default=True, help="Side of a tile in pixels."
    )(command)
    return click.option(
        "--mpp-target",
        type=PixelSize(),
        help="Micrometres per pixel of the tiles; the slide is shrunk to it. Default: that of level 0.",
    )(command)


def coordinates(command: Command) -> Command:
    """``--coordinates``."""
    return click.option(
        "--coordinates",
        type=PathArgument(exists=True),
        help="Take the tiles that another program has chosen, instead of finding tissue: an HDF5 file of TRIDENT, CLAM "
        "or WSInfer, or a folder with <stem>_patches.h5 or <stem>.h5 for each slide. Needs the package h5py.",
    )(command)


class Tissue(click.ParamType["Path | str"]):
    """``auto``, ``all``, or a file or folder."""

    name = "auto|all|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """The word, or a path that exists."""
        if value in {"auto", "all"}:
            return str(value)
        if not Path(value).exists():
            missing = PathArgument(exists=True).told_missing(Path(value))
            self.fail(f"{printable(str(value))} is not auto or all, and {missing}", param, ctx)
        return Path(value)


def tissue(command: Command) -> Command:
    """``--tissue``, ``--pen`` and ``--set`` for commands that look for tissue."""
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="tissue.KEY=VALUE",
        help="Change how tissue is found, e.g. tissue.min_fraction=0.05. 'wsi-haloae info --preview' shows the effect.",
    )(command)
    command = click.option(
        "--pen",
        type=click.Choice(["drop", "keep"]),
        help="Whether marker pen that is found is left out of the tissue. Use keep if tissue is taken for pen.",
    )(command)
    return click.option(
        "--tissue",
        type=Tissue(),
        default="auto",
        show_default=True,
        help="What counts as tissue: auto finds it; all is the whole slide; a file has outlines (GeoJSON) or is a mask "
        "of the whole slide at any scale (PNG, TIFF; 0 is no tissue). Of a folder, the file named like the slide.",
    )(command)


def tissue_settings(settings: tuple[str, ...], pen: str | None) -> tuple[str, ...]:
    """What ``--set`` and ``--pen`` say together."""
    return (*settings, f"tissue.pen={pen}") if pen else settings


def annotated_objects(command: Command) -> Command:
    """``--objects``."""
    return click.option(
        "--objects",
        type=click.Choice(["annotation", "detection", "tile", "all"]),
        default="annotation",
        show_default=True,
        help="Which of QuPath's objects count in that file: annotations, detections (with cells), tiles, or all.",
    )(command)


def configuration(command: Command) -> Command:
    """``--config`` and ``--set``."""
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change one setting of the configuration, e.g. training.steps=500. Repeat the option for several.",
    )(command)
    return click.option(
        "--config",
        "configs",
        multiple=True,
        metavar="NAME_OR_FILE",
        help="A preset or a YAML file. Repeat the option: later files change settings of the first. Default: haloae.",
    )(command)


def features(command: Command) -> Command:
    """``--features``."""
    return click.option(
        "--features",
        metavar="NAME",
        is_eager=True,
        callback=_list_encoders,
        help="Backbone network: vgg19, vgg16, densenet121, random, an encoder such as uni2-h (--features list shows "
        "them with licence and pixel size), or timm:NAME for any network of timm, e.g. timm:resnet50 or "
        "timm:hf-hub:owner/name. Encoders and timm need pip install 'wsi-haloae[timm]'. Overrides the configuration.",
    )(command)


def _list_encoders(context: click.Context, _option: click.Parameter, features: str | None) -> str | None:
    """Before anything else is asked for: ``--features list`` prints the table of encoders, and that is all."""
    if features == "list":
        from wsi_haloae.config.encoder_words import encoder_table

        say(encoder_table())
        context.exit()
    return features


def with_features(settings: tuple[str, ...], features: str | None) -> tuple[str, ...]:
    """What ``--set`` and ``--features`` say together."""
    if not features:
        return settings
    # Quoted: a path may hold characters that mean something in YAML.
    return *settings, f"model.features.backbone={json.dumps(features)}"


def weights(command: Command) -> Command:
    """``--weights``."""
    return click.option(
        "--weights",
        type=PathArgument(exists=True, dir_okay=False, suffix=SAFETENSORS),
        help="File of backbone weights: safetensors with the keys of torchvision, timm or transformers. Use it without "
        "network. Default: the library's own weights, which it downloads.",
    )(command)


def device(command: Command) -> Command:
    """``--device``."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        help="Where to compute: auto, cpu, cuda[:N] or mps. auto takes a GPU if there is one.",
    )(command)


def workers(command: Command) -> Command:
    """``-n``."""
    return click.option(
        "-n",
        "--num-workers",
        type=click.IntRange(1),
        default=available_cores,
        show_default="cores",
        help="Number of threads that read slides or images.",
    )(command)


def threads(command: Command) -> Command:
    """``--threads``."""
    return click.option(
        "--threads",
        type=click.IntRange(1),
        help="Number of threads that compute on the CPU. Default: OMP_NUM_THREADS, or the number of cores.",
    )(command)


def dry_run(command: Command) -> Command:
    """``--dry-run``."""
    return click.option(
        "--dry-run",
        is_flag=True,
        help="Write nothing: show slides, pixel sizes and tiles, and the time and disk that the run would take, "
        "measured on a few tiles.",
    )(command)


def overwrite(command: Command) -> Command:
    """``--overwrite``."""
    return click.option(
        "--overwrite", is_flag=True, help="Delete the results of an earlier run in the same output, and start again."
    )(command)


def output_folder(command: Command) -> Command:
    """``-o`` for commands that write a folder."""
    return click.option(
        "-o",
        "--output",
        type=PathArgument(file_okay=False),
        required=True,
        help="Folder for all outputs; it is made if needed.",
    )(command)


def chosen(kind: type[Options], given: Mapping[str, Any], **more: Any) -> Options:
    """The dataclass of a command's options: each field is the option of the same name, or comes from ``more``."""
    return kind(**{each.name: given[each.name] for each in fields(kind) if each.name in given}, **more)


def say(text: str) -> None:
    """Print a result on stdout; control characters in names of files are escaped."""
    click.echo(printable_lines(text))


def say_forecast(found: Forecast, output: Path) -> int:
    """Print what ``--dry-run`` found; return the exit code that the run would have, as far as is known."""
    for line in found.lines(output):
        say(line)
    return found.outcome.exit_code


def reporter(*, quiet: bool, verbose: bool) -> Reporter:
    """The reporter of a run; with ``-v`` it first prints versions, system and number of cores."""
    made = Reporter(quiet=quiet, verbose=verbose)
    if verbose:
        packages = ", ".join(f"{name} {number}" for name, number in versions().items())
        made.detail(f"{packages}; {platform.platform()}; {available_cores()} of {os.cpu_count()} cores")
    return made
