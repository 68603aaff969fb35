"""evaluation.html: one file with tables and pictures, that opens from disk without a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from wsi_haloae.atomic import write_text
from wsi_haloae.evaluation.slide_result import SlideResult

TEMPLATE = "evaluation.html.jinja"


def write_page(path: Path, result: SlideResult, warnings: Sequence[str], pictures: Mapping[str, Path]) -> None:
    """Write the page; ``pictures`` are PNG files by their title. Same contents, same bytes."""
    environment = Environment(
        loader=PackageLoader("wsi_haloae.evaluation", "."), autoescape=True, undefined=StrictUndefined
    )
    encoded = {title: base64.b64encode(file.read_bytes()).decode() for title, file in pictures.items()}
    page = environment.get_template(TEMPLATE).render(result=result, warnings=warnings, pictures=encoded)
    write_text(path, page + "\n")
