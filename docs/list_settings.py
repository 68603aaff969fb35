"""Write the tables of settings in docs/settings.md anew from the configuration: ``python docs/list_settings.py``."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.config.settings import Setting, all_settings, sections

PAGE = Path(__file__).with_name("settings.md")
BEGIN, END = "<!-- settings: written by docs/list_settings.py -->\n", "<!-- end of settings -->\n"
LONGEST = 60
"""Characters of a default that is written out; the page does not repeat long lists."""


def setting_list() -> str:
    """A heading and a Markdown table for each section, a row per setting."""
    titles = {"": "Settings of no section.", **sections()}
    parts = []
    for section, about in titles.items():
        own = [one for one in all_settings() if one.key.rpartition(".")[0] == section]
        if own:
            heading = [f"## {section or 'as_released'}", "", *([about.replace("``", "`"), ""] if section else [])]
            table = ["| key | type | default | meaning |", "|---|---|---|---|", *map(_row, own)]
            parts.append("\n".join([*heading, *table]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def with_setting_list(page: str) -> str:
    """The page with the tables of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + setting_list() + END + rest.partition(END)[2]


def _row(one: Setting) -> str:
    kind = f"{one.type}, {one.bounds}" if one.bounds else one.type
    default = f"`{one.default}`" if len(one.default) <= LONGEST else "the paper's"
    if one.mvtec != one.default:
        default += f"; mvtec: `{one.mvtec}`"
    cells = (f"`{one.key}`", kind, default, one.meaning.replace("``", "`"))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(with_setting_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
