"""Write the table of encoders in docs/encoders.md anew from the code: ``python docs/list_encoders.py``."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.config.encoder_words import mpp_words, size_words
from wsi_haloae.config.encoders import ENCODERS, Encoder

PAGE = Path(__file__).with_name("encoders.md")
BEGIN, END = "<!-- encoders: written by docs/list_encoders.py -->\n", "<!-- end of encoders -->\n"


def encoder_list() -> str:
    """A Markdown table, a row per encoder, and what could not be checked."""
    lines = [
        "| `--features` | encoder | weights | trained at, µm/px | prefix tokens | blocks used | licence | access |",
        "|---|---|---|---|---|---|---|---|",
        *map(_row, ENCODERS.values()),
        "",
        *(f"Not checked for `{each.name}`: {each.unverified}." for each in ENCODERS.values() if each.unverified),
    ]
    return "\n".join(lines) + "\n"


def with_encoder_list(page: str) -> str:
    """The page with the table of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + encoder_list() + END + rest.partition(END)[2]


def _row(encoder: Encoder) -> str:
    first, second = (block + 1 for block in encoder.stages)
    cells = (
        f"`{encoder.name}`",
        f"[{encoder.words}]({encoder.card})",
        size_words(encoder),
        mpp_words(encoder),
        str(encoder.prefix_tokens),
        f"{first}, {second} of {encoder.depth}",
        encoder.licence,
        "on request" if encoder.gated else "open",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(with_encoder_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
