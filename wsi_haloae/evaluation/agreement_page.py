"""What a comparison of two scorings leaves in its folder: a table, the figures as JSON, a picture, and a page."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wsi_haloae.atomic import replacing, write_text
from wsi_haloae.evaluation.agreement import Agreement
from wsi_haloae.evaluation.paired_auroc import PairedAuroc
from wsi_haloae.pages import write_page
from wsi_haloae.quoting import printable, safe_cell

TABLE_NAME, RESULT_NAME, SHEET_NAME, PAGE_NAME = "agreement.csv", "agreement.json", "differences.png", "agreement.html"
PAGE = "evaluation/agreement.html.jinja"
COLUMNS = (
    "slide", "tiles", "left_out", "spearman", "called_by_both", "only_by_first", "only_by_second", "by_neither",
    "auroc_first", "auroc_second",
)  # fmt: skip
HEADINGS = ("tiles", "Spearman", "called by both", "only by first", "only by second")
TOGETHER = "all slides"


@dataclass(frozen=True)
class Compared:
    """All figures. ``first`` and ``second`` say in words what is compared.

    ``slides`` and ``aurocs`` are by the slide's name; ``aurocs`` has those that can be judged by outlines alone.
    """

    first: str
    second: str
    slides: Mapping[str, Agreement]
    together: Agreement
    auroc: PairedAuroc | None = None
    aurocs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def rows(self) -> Iterator[tuple[str, Agreement]]:
        """Every slide and, if there are several, all together."""
        yield from self.slides.items()
        if len(self.slides) > 1:
            yield TOGETHER, self.together

    def lines(self) -> Iterator[str]:
        """What people read in a terminal."""
        yield f"first:  {self.first}"
        yield f"second: {self.second}"
        yield from (f"note:   {warning}" for warning in self.warnings)
        rows = [(printable(name), *_cells(one)) for name, one in self.rows]
        widths = [max(map(len, column)) for column in zip(("slide", *HEADINGS), *rows, strict=True)]
        for row in (("slide", *HEADINGS), *rows):
            name, *cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            yield "  ".join([row[0].ljust(len(name)), *cells])
        if self.auroc:
            yield self.auroc.words


def write_comparison(
    output: Path,
    compared: Compared,
    small: Mapping[str, Sequence[bytes | None]],
    large: Mapping[str, Sequence[bytes | None]],
) -> None:
    """Write table, JSON and page into the folder ``output``, with the picture of tiles if it is there.

    ``small`` (JPEG) and ``large`` (PNG, with colour bars) are heatmaps by the slide's name, first and second, None for
    one that there is not.
    """
    _write_table(output / TABLE_NAME, compared)
    write_text(output / RESULT_NAME, json.dumps(asdict(compared), indent=2) + "\n")
    sheet = output / SHEET_NAME
    picture = sheet.read_bytes() if sheet.exists() else None
    cells = {name: _cells(one) for name, one in compared.rows}
    write_page(
        output / PAGE_NAME, PAGE, compared=compared, headings=HEADINGS, cells=cells, small=small, large=large,
        sheet=picture,
    )  # fmt: skip


def _write_table(path: Path, compared: Compared) -> None:
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, one in compared.slides.items():
            calls = ("",) * 4 if one.calls is None else asdict(one.calls).values()
            areas = compared.aurocs.get(name, (None, None))
            writer.writerow(
                (safe_cell(name), one.tiles, one.left_out, _number(one.spearman), *calls, *map(_number, areas))
            )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _cells(one: Agreement) -> tuple[str, ...]:
    calls: tuple[Any, ...] = ("-",) * 3
    if one.calls is not None:
        calls = (f"{one.calls.both:,}", f"{one.calls.only_first:,}", f"{one.calls.only_second:,}")
    return f"{one.tiles:,}", "-" if one.spearman is None else f"{one.spearman:.3f}", *calls
