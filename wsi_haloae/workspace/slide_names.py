"""Which names an output folder may have. Checked before any work, so that a clash does not show only at the end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from wsi_haloae.atomic import is_temporary
from wsi_haloae.quoting import CONTROL, FOREIGN, printable
from wsi_haloae.workspace.slide_inputs import SlideInput
from wsi_haloae.workspace.study_files import StudyFile

MOST_BYTES = 220
"""Of a name: file systems take 255, and unfinished files have longer ones (see `atomic`)."""
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])( *\..*)?", re.IGNORECASE)
_NOT_IN_WINDOWS = re.compile(r'[<>:"/\\|?*]|[ .]$')


def slide_problem(slide: SlideInput, output: Path) -> str:
    """Why a slide cannot have its folder in ``output``, and what to do; "" if it can."""
    told = f"no output folder can be called '{printable(slide.name)}': "
    # The file's own name, with its suffix, goes into every output.
    letters = _letters_problem(slide.name) or _letters_problem(slide.path.name) or _path_problem(slide.path)
    if letters:
        return f"{told}{letters}. Rename the file."
    problem = name_problem(slide.name)
    if problem:
        return f"{told}{problem}. Rename the file, or pass --name-by parent to put its folder's name before it."
    return _folder_problem(output / slide.name)


def name_problem(name: str, kept: Iterable[str] = StudyFile) -> str:
    """Why a folder beside the files ``kept`` cannot have this name; "" if it can."""
    if name in {"", ".."} or name != Path(name).name:
        return "this is the name of another folder"
    if name.casefold() in {one.casefold() for one in kept}:  # some file systems ignore case
        return "this name is kept for a file that belongs to all slides"
    if is_temporary(name):
        return "names like this are reserved for unfinished files"
    if len(name.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return f"the name has more than {MOST_BYTES} bytes"
    return _letters_problem(name) or (problem_in_windows(name) if os.name == "nt" else "")


def problem_in_windows(name: str) -> str:
    """Why Windows cannot have a folder of this name, or would give it another; "" if it can."""
    if _DEVICE.fullmatch(name.rstrip(" ")):
        return "Windows keeps this name for a device"
    if _NOT_IN_WINDOWS.search(name):
        return 'Windows allows none of <>:"/\\|?* in a name, and no dot or space at its end'
    return ""


def _letters_problem(name: str) -> str:
    if FOREIGN.search(name):
        return "the name is not UTF-8"
    return "the name has control characters" if CONTROL.search(name) else ""


def _path_problem(path: Path) -> str:
    return "there is a NUL character in the path" if "\0" in str(path) else ""


def _folder_problem(folder: Path) -> str:
    try:
        if folder.is_symlink():
            return (
                f"its output folder {folder} is a symbolic link, and nothing is written through one. Remove the link."
            )
        if folder.exists() and not folder.is_dir():
            return f"its output folder would be {folder}, but there is a file of this name. Choose another -o."
    except OSError as error:  # for example, a name that is too long
        return f"its output folder cannot be created ({error})."
    return ""
