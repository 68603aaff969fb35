"""Pages that open from disk: one family of templates, everything inside, nothing fetched.

    page.html.jinja                       the frame: style, light and dark, print, footer
      evaluation/evaluation.html.jinja    scores against annotations
      export/report.html.jinja            one slide
      export/index.html.jinja             all slides of a folder

A page carries a policy that forbids its browser to load anything, so a hostile slide name could not either.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from wsi_haloae.atomic import write_text
from wsi_haloae.quoting import printable_lines


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render ``template``, a path inside the package, and write it whole. Same values, same bytes."""
    environment = Environment(
        loader=PackageLoader("wsi_haloae", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": "{:,}".format, "percent": percent, "data_uri": data_uri, "link": link}
    page = environment.get_template(template).render(values) + "\n"
    write_text(path, printable_lines(page))  # names of files, classes and patients are others'


def data_uri(data: bytes, kind: str = "png") -> str:
    """A picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def link(name: str) -> str:
    """The address of a file beside the page, whatever letters are in its name."""
    return quote(os.fsencode(name))


def percent(share: float) -> str:
    """A share for people, with a space that does not break: 5 %, 7.2 %, 72 %; a little is not nothing."""
    if 0 < share < 0.0005:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
    number = f"{100 * share:.0f}" if share >= 0.1 else f"{round(100 * share, 1):g}"
    return f"{number}\N{NO-BREAK SPACE}%"
