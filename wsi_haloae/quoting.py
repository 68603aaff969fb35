"""Make text from outside (file names, cells of a manifest) safe to show; say which file an error is about.

A terminal obeys control characters, and a spreadsheet runs formulas in cells. A file name may contain both: it may be
``=cmd|...``, or clear the screen when it is listed.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from subprocess import list2cmdline

WINDOWS = os.name == "nt"

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_TURNING = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
"""Line ends that only some programs know, and marks that reverse the text around them."""
_FOREIGN = r"\ud800-\udfff"
"""What Python puts in place of bytes in a file name that are not UTF-8."""
_UNSAFE = re.compile(f"[{_CONTROLS}{_TURNING}{_FOREIGN}]")
_UNSAFE_IN_LINES = re.compile(f"(?!\n)[{_CONTROLS}{_TURNING}{_FOREIGN}]")
CONTROL = re.compile(f"[{_CONTROLS}]")
FOREIGN = re.compile(f"[{_FOREIGN}]")

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The start of a cell that Excel, LibreOffice or Google Sheets would run; the last four are full-width characters."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def program() -> str:
    """``wsi-haloae`` as one can type it here: by its path if it is not on PATH, as after ``make demo``."""
    name = "wsi-haloae"
    beside = Path(sys.executable).with_name(name)
    if which(name) or not beside.exists():
        return name
    return command_line([str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)])


def printable(text: str) -> str:
    r"""Text in one line for terminals, logs and pages: control characters and foreign bytes become ``\x1b``, ``\n``."""
    return _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """The same for text of several lines; line feeds are kept."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet runs: text that looks like a formula gets an apostrophe, which `plain_cell` removes.

    Numbers are not changed.
    """
    return f"'{text}" if _computes(text) else text


def plain_cell(cell: str) -> str:
    """The text that was passed to `safe_cell`."""
    return cell[1:] if cell.startswith("'") and _computes(cell) else cell


def about(path: Path, error: str) -> str:
    """An error with the file or folder that it is about named once, in full, at its beginning or where it names it."""
    return error if str(path) in error else f"{path}: {error.removeprefix(f'{path.name}: ')}"


def command_line(words: Sequence[str], *, windows: bool = WINDOWS) -> str:
    """A command as the user types it here: in the quotes of a POSIX shell, or in those of cmd and PowerShell."""
    return list2cmdline(words) if windows else shlex.join(words)


def _computes(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
