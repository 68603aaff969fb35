"""A Sphinx extension: docstrings as this project writes them, to reStructuredText.

They are plain text with single backticks, in two ways like Markdown: what stands indented after an empty line is code
or a drawing and keeps its lines, and a vertical bar is a vertical bar. Text whose columns are aligned by runs of spaces
keeps its lines too. Sections (Parameters, Returns, Raises) are numpydoc's, which napoleon reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import NumpyDocstring

INDENT = "    "
ALIGNED = re.compile(r"\S {3,}[^\s#]")  # a comment behind code is code
CODE = re.compile(r"(``.+?``|`.+?`)")
UNDERLINE = re.compile(r"-{3,}$")
LIST_ITEM = re.compile(r"[-*] |\d+\. |\.\. |:\w")


def to_rest(lines: list[str]) -> list[str]:
    """The lines of a docstring, freed of their common indentation, as reStructuredText; sections stay as they are."""
    underlines = [number for number, line in enumerate(lines) if UNDERLINE.match(line)]
    end = underlines[0] - 1 if underlines else len(lines)
    return [*_text(lines[:end]), *lines[end:]]


def _text(lines: list[str]) -> Iterator[str]:
    before, kept = "", False
    for empty, group in groupby(lines, key=lambda line: not line.strip()):
        block = list(group)
        if empty:
            yield from block
            continue
        aligned, indented = any(map(ALIGNED.search, block)), block[0].startswith(INDENT)
        if aligned or (indented and not LIST_ITEM.match(before)):
            if not (kept and indented):  # otherwise it goes on after an empty line
                yield from (f".. code-block:: {'text' if aligned else 'python'}", "")
            yield from (INDENT + line for line in block)
            kept = True
        else:
            yield from map(_prose, block)
            kept = False
        before = block[0]


def _prose(line: str) -> str:
    parts = CODE.split(line)  # every second one is code
    return "".join(part if number % 2 else part.replace("|", r"\|") for number, part in enumerate(parts))


def process(_app: Sphinx, what: Any, _name: str, obj: Any, _options: Any, lines: list[str]) -> None:
    """Change the ``lines`` of a docstring in place: autodoc's event."""
    # napoleon is not given the name: with it, what stands before a colon in a property's text would be its type.
    lines[:] = NumpyDocstring(to_rest(lines), what=what, obj=obj).lines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
