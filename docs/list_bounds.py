"""Write the table of limits in docs/bounds.md anew from `wsi_haloae.bounds.table`: ``python docs/list_bounds.py``."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.bounds.table import BOUNDS

PAGE = Path(__file__).with_name("bounds.md")
BEGIN, END = "<!-- limits: written by docs/list_bounds.py -->\n", "<!-- end of limits -->\n"


def bound_list() -> str:
    """A Markdown table, a row per limit."""
    rows = (f"| {bound.files} | {bound.default:,} {bound.unit} | `{bound.variable}` |" for bound in BOUNDS)
    return "\n".join(["| files | at most | raised by |", "|---|---|---|", *rows]) + "\n"


def with_bound_list(page: str) -> str:
    """The page with the table of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + bound_list() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(with_bound_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
