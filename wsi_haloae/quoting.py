"""Text that others wrote (names of files, cells of a manifest), shown so that nobody acts on it.

A terminal obeys control characters, and a spreadsheet computes cells. Names may hold both: a file may be called
``=cmd|...``, or clear the screen of whoever lists it.
"""

from __future__ import annotations

import re

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_TURNING = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
"""Line ends that only some programs know, and marks that reverse the letters around them."""
_FOREIGN = r"\ud800-\udfff"
"""Python's stand-ins for the bytes of a file name that are not UTF-8."""
_UNSAFE = re.compile(f"[{_CONTROLS}{_TURNING}{_FOREIGN}]")
_UNSAFE_IN_LINES = re.compile(f"(?!\n)[{_CONTROLS}{_TURNING}{_FOREIGN}]")
CONTROL = re.compile(f"[{_CONTROLS}]")
FOREIGN = re.compile(f"[{_FOREIGN}]")

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that Excel, LibreOffice or Google Sheets would compute; the last four are full-width letters."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def printable(text: str) -> str:
    r"""Text in one line for terminals, logs and pages: control characters and foreign bytes become ``\x1b``, ``\n``."""
    return _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet computes: an apostrophe before what looks like a formula. `plain_cell` takes it away.

    Numbers stay as they are.
    """
    return f"'{text}" if _computes(text) else text


def plain_cell(cell: str) -> str:
    """What was given to `safe_cell`."""
    return cell[1:] if cell.startswith("'") and _computes(cell) else cell


def _computes(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
