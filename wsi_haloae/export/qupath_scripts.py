"""Scripts for QuPath's editor: two beside each slide's results, two in the folder of all slides, two that run commands.

The scripts of results look for files in their own folder, so a folder of results can be moved. They contain nothing
that differs between machines. Those that run commands belong to a machine: they know where the command is. The
templates are in ``groovy/``; names that users chose are inserted as escaped literals.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from wsi_haloae.atomic import read_own, write_text
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.region_geojson import REGION_CLASS, REGION_NAME
from wsi_haloae.heatmap.assembly import Heatmap
from wsi_haloae.heatmap.colours import ANCHORS, ColourScale
from wsi_haloae.stores.store_header import SlideRecord
from wsi_haloae.workspace.study_files import StudyFile

SLIDE_SCRIPTS = ("show_heatmap.groovy", "show_tiles.groovy")
PROJECT_SCRIPTS = (StudyFile.IMPORT_SCRIPT, StudyFile.EXPORT_SCRIPT)
COMMAND_SCRIPTS = ("score_this_slide.groovy", "train_here.groovy")

_REGIONS = {"region_class": REGION_CLASS, "region_name": REGION_NAME}

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write_scripts(path: Path, source: OpenStore) -> None:
    """Write `SLIDE_SCRIPTS` into the folder of ``path``, beside the files that they show."""
    write_slide_scripts(path.parent, source.header.slide, source.heatmap, source.scale)


def write_slide_scripts(folder: Path, slide: SlideRecord, heatmap: Heatmap, scale: ColourScale) -> None:
    """Write `SLIDE_SCRIPTS` for one slide into its folder."""
    bounds_x, bounds_y, width, height = slide.bounds or (0, 0, slide.width, slide.height)
    rows, columns = heatmap.values.shape
    left, right = (_nearest(heatmap.l0_offset_x + n * heatmap.l0_cell_width) - bounds_x for n in (0, columns))
    top, bottom = (_nearest(heatmap.l0_offset_y + n * heatmap.l0_cell_height) - bounds_y for n in (0, rows))
    red, green, blue = (list(channel) for channel in zip(*ANCHORS, strict=True))
    facts = {
        "slide": slide.name, "slide_width": width, "slide_height": height,
        "left": left, "top": top, "width": right - left, "height": bottom - top,
        "low": repr(scale.low), "high": repr(scale.high), "red": red, "green": green, "blue": blue,
    }  # fmt: skip
    _write(folder, SLIDE_SCRIPTS, facts)


def write_project_scripts(output: Path) -> None:
    """Write `PROJECT_SCRIPTS` into the folder of all slides. Their bytes do not depend on the slides."""
    _write(output, PROJECT_SCRIPTS, _REGIONS)


def write_command_scripts(folder: Path, executable: Path | None) -> list[Path]:
    """Write `COMMAND_SCRIPTS`, which start ``executable``; without one, QuPath asks for it. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, COMMAND_SCRIPTS, {**_REGIONS, "executable": "" if executable is None else str(executable)})
    return [folder / name for name in COMMAND_SCRIPTS]


def groovy_literal(text: str) -> str:
    """Text as a Groovy string literal in ASCII, in single quotes, so that a dollar sign has no special meaning."""
    return "'" + "".join(_ESCAPES.get(letter) or _in_ascii(letter) for letter in text) + "'"


def _in_ascii(letter: str) -> str:
    if " " <= letter <= "~":
        return letter
    units = letter.encode("utf-16-be", errors="surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _write(folder: Path, names: tuple[str, ...], facts: dict[str, Any]) -> None:
    environment = Environment(  # noqa: S701  # not HTML: names that users chose pass through groovy_literal
        loader=PackageLoader("wsi_haloae.export", "groovy"), undefined=StrictUndefined
    )
    environment.filters["groovy"] = groovy_literal
    for name in names:
        _put(folder / name, environment.get_template(f"{name}.jinja").render(facts) + "\n")


def _put(path: Path, text: str) -> None:
    """Write a file that several runs may write at the same time with the same content."""
    try:
        if read_own(path) == text.encode():
            return
    except OSError:  # it does not exist yet
        pass
    write_text(path, text)


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)
