"""Tables as text, as spreadsheets of any language and system write them.

The separator is the one among ``,``, ``;``, tab and ``|`` that makes a column of the header what it must be, or the one
that Excel states in a first line ``sep=;``. The text is UTF-8 or UTF-16, with or without a byte order mark. Bytes that
are not UTF-8 stay what they are, for they may be those of a file's name; `as_windows_wrote` reads them as Windows' own.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from wsi_haloae.quoting import FOREIGN

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = ",;\t|"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONGEST_HEADER = 1 << 20
_STATED = "sep="


@contextmanager
def open_table(path: Path, column: str) -> Iterator[Reader]:
    """The rows of a table with a column of this name. Raises `OSError`, and `UnicodeDecodeError` for damaged UTF-16."""
    with path.open("rb") as file:
        wide = file.read(2) in _UTF_16
    encoding, errors = ("utf-16", "strict") if wide else ("utf-8-sig", "surrogateescape")
    with path.open(newline="", encoding=encoding, errors=errors) as stream:
        yield csv.reader(stream, delimiter=_separator(stream, column))


def as_windows_wrote(text: str) -> str:
    """Text with bytes that are not UTF-8, in the code page of Windows in Western Europe; other text unchanged."""
    if not FOREIGN.search(text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def _separator(stream: TextIO, column: str) -> str:
    """The separator; the stream stands before the header then."""
    line = stream.readline(_LONGEST_HEADER)
    if line.lower().startswith(_STATED) and len(line.rstrip("\r\n")) == len(_STATED) + 1:
        return line[len(_STATED)]
    stream.seek(0)
    columns = {separator: _names(line, separator) for separator in SEPARATORS}
    fitting = [separator for separator, names in columns.items() if column in names]
    return fitting[0] if fitting else max(SEPARATORS, key=lambda separator: len(columns[separator]))


def _names(line: str, separator: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []
