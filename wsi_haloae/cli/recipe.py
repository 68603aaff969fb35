"""``wsi-haloae recipe``."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from runpy import run_path

import click

from wsi_haloae.cli import options
from wsi_haloae.config.shipped import shipped_folder
from wsi_haloae.errors import UsageError


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def recipe(name: str | None, arguments: tuple[str, ...]) -> int:
    """Run the recipe NAME, or list all recipes.

    They are for studies on a cluster, the paper's tables, and slides with known truth.
    'wsi-haloae recipe NAME --help' explains one. In a checkout, 'python pipelines/NAME.py' is the same.
    """
    files = {path.stem: path for path in sorted(shipped_folder("pipelines").glob("*.py"))}
    if name is None:
        options.say("\n".join([f"Recipes in {shipped_folder('pipelines')}:", *map(_row, files.values())]))
        return 0
    if name not in files:
        raise UsageError(f"{name}: there is no such recipe. There are: {', '.join(files)}.")
    return _run(files[name], arguments)


def _row(path: Path) -> str:
    first, *_more = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "-").splitlines()
    return f"  {path.stem:<22} {first}"


def _run(path: Path, arguments: tuple[str, ...]) -> int:
    """Run a file as Python would, and return its exit code."""
    before = sys.argv
    sys.argv = [str(path), *arguments]
    try:
        run_path(str(path), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path.stem}: this recipe needs the package {error.name}, which is not installed. Install it, or the "
            f"extra that the first lines of {path} name."
        ) from None
    finally:
        sys.argv = before
    return 0
