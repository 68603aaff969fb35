"""HTML pages that open from disk. Each page holds everything it shows and loads nothing.

    page.html.jinja                       the base template: style, light and dark, print, footer
      evaluation/evaluation.html.jinja    labelled tiles: scores compared with the truth
      export/report.html.jinja            one slide
      export/index.html.jinja             all slides of a folder
      cohort/cohort.html.jinja            a study: slides and groups compared

A content security policy in each page forbids the browser to load anything, so a hostile slide name cannot load
anything either.
"""

from __future__ import annotations

import base64
import os
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from wsi_haloae.atomic import write_text
from wsi_haloae.quoting import printable_lines


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render ``template``, a path inside the package, and write the page atomically. Equal values give equal bytes."""
    environment = Environment(
        loader=PackageLoader("wsi_haloae", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": "{:,}".format, "percent": percent, "data_uri": data_uri, "link": link}
    page = environment.get_template(template).render(values) + "\n"
    write_text(path, printable_lines(page))  # names of files, classes and patients come from outside


def data_uri(data: bytes, kind: str = "png") -> str:
    """A picture as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def link(name: str) -> str:
    """The URL of a file beside the page; its name may hold any characters."""
    return quote(os.fsencode(name))


def percent(share: float) -> str:
    """A share for people to read, with a no-break space: 5 %, 7.2 %, 72 %. A tiny share reads <0.1 %, not 0 %.

    Halves go up, as in the viewer. Shares of tiles and of their area differ in the last bits only, if at all: that is
    rounded away first, so that pages agree.
    """
    if 0 < share < 0.0005:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
    digits = "1" if share >= 0.1 else "0.1"
    number = Decimal(f"{100 * share:.9f}").quantize(Decimal(digits), ROUND_HALF_UP)
    return f"{float(number):g}\N{NO-BREAK SPACE}%"
