"""``wsi-haloae``: the group of commands, and how errors become exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from io import StringIO, TextIOWrapper

import click

from wsi_haloae.cli.compare import compare
from wsi_haloae.cli.config import config
from wsi_haloae.cli.demo import demo
from wsi_haloae.cli.doctor import doctor
from wsi_haloae.cli.evaluate import evaluate
from wsi_haloae.cli.evaluate_tiles import evaluate_tiles
from wsi_haloae.cli.examples import add_examples
from wsi_haloae.cli.export import export
from wsi_haloae.cli.export_model import export_model
from wsi_haloae.cli.info import info
from wsi_haloae.cli.mvtec import mvtec
from wsi_haloae.cli.qupath_scripts import qupath_scripts
from wsi_haloae.cli.recipe import recipe
from wsi_haloae.cli.score import score
from wsi_haloae.cli.status import status
from wsi_haloae.cli.tile import tile
from wsi_haloae.cli.train_tiles import train_tiles
from wsi_haloae.cli.verify import verify
from wsi_haloae.cli.view import view
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import printable_lines
from wsi_haloae.refused_writes import told

BAD_USAGE, INTERRUPTED = 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("wsi-haloae"), prog_name="wsi-haloae")
def cli() -> None:
    """Anomaly heatmaps for whole-slide histopathology, from a model trained on tissue that you outline.

    For research, not a medical device. Start with 'wsi-haloae demo -o demo'; if something fails,
    'wsi-haloae doctor' checks the installation.
    """


COMMANDS = (
    info, tile, train_tiles, score, status, verify, export, export_model, view, evaluate, evaluate_tiles, compare,
    mvtec, config, recipe, qupath_scripts, doctor, demo,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)
add_examples(cli)


def run(arguments: Sequence[str], command: click.Command = cli, name: str = "wsi-haloae") -> int:
    """Run a command line and return its exit code (contract: 0, 1, 2 or 130).

    Recipes pass their own ``command``, so that errors end them in the same way.
    """
    reporter = Reporter()
    try:
        result = command.main(args=list(arguments), prog_name=name, standalone_mode=False, obj=reporter)
    except click.ClickException as error:
        _show(error, reporter)
        return BAD_USAGE
    except (WsiHaloaeError, OSError) as error:  # OSError: a full disk, a folder without permission
        reporter.error(told(error))
        reporter.trace(error)
        return BAD_USAGE
    except (click.Abort, KeyboardInterrupt):
        reporter.error(f"interrupted{_to_continue(command, arguments)}")
        return INTERRUPTED
    except Exception:  # noqa: BLE001  # else Python's exit code 1, which means that some slides are done
        reporter.error(f"unexpected, please report:\n{traceback.format_exc()}")
        return BAD_USAGE
    return int(result or 0)


def _show(error: click.ClickException, reporter: Reporter) -> None:
    """Print what click has against a command line, with the same 'error:' as everything else."""
    message = StringIO()
    error.show(message)
    usage, _, text = message.getvalue().rpartition("Error: ")
    if usage:
        click.echo(printable_lines(usage), err=True, nl=False)  # it may hold the name of a hostile file
    reporter.error(text.rstrip())


def _to_continue(command: click.Command, arguments: Sequence[str]) -> str:
    """How to go on: commands with ``--overwrite`` keep what an interrupted run has finished; most others are short."""
    chosen = command.commands.get(next(iter(arguments), "")) if isinstance(command, click.Group) else command
    if chosen is None or not any("--overwrite" in option.opts for option in chosen.params):
        return "; the same command can be given again"
    return "; to continue, give the same command again (without --overwrite): what is finished is kept"


def main() -> None:
    """Entry point of the console script."""
    if isinstance(sys.stdout, TextIOWrapper):  # a pipe may have an encoding without some letters: Windows, LC_ALL=C
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
