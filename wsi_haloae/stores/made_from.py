"""What a store was made from and what a command asks for, where they differ: in the words of the command line.

A header has many keys, and one option decides several of them: another model has another tile size, other rules and
another pixel size. What follows from a difference that is named is not named again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wsi_haloae.config import differences, value_at

SHA_SHOWN = 8
Header = Mapping[str, Any]


@dataclass(frozen=True)
class Cause:
    """What makes headers differ: keys by which it is known, others that follow from it, and how a value is told."""

    name: str
    keys: tuple[str, ...]
    follow: tuple[str, ...] = ()
    words: Callable[[Any], str] = str


def _sha(value: Any) -> str:
    return "none" if value is None else str(value)[:SHA_SHOWN]


_OF_TILES = ("read_plan.", "grid.")
_OF_COLOURS = ("colour_profile", "slide.background")
_OF_MODEL = ("model.", "rules", "layers", "map_size", "descriptor_size", "tissue.", *_OF_TILES, *_OF_COLOURS)
CAUSES = (
    Cause("the slide", ("slide.fingerprint",), ("slide.", *_OF_TILES), _sha),
    Cause("--model", ("model.sha256",), _OF_MODEL, _sha),
    Cause("--colour-profile", ("colour_profile",), _OF_COLOURS, lambda use: use or "ignore"),
    Cause("--mpp or --override-mpp", ("slide.mpp_x", "slide.mpp_y"), ("slide.mpp", "read_plan.", "grid.l0_scale")),
    Cause("--mpp-target", ("read_plan.mpp_x", "read_plan.mpp_y"), ("read_plan.", "grid.l0_scale")),
    Cause("--tile-size", ("grid.tile_size",)),
    Cause("--stride", ("grid.stride",)),
    Cause("--roi", ("roi_sha256",), words=_sha),
    Cause("--coordinates", ("coordinates_sha256",), words=_sha),
    Cause("--tissue", ("tissue.given",), words=str),
    Cause("--maps", ("map_size",), words=lambda side: "without" if side is None else "with"),
)
"""The first comes first: what follows from it is not looked at by those after it."""


def differing(made: Header, asked: Header) -> list[str]:
    """What differs between a store's header and that of a command: "--stride (it has 64, this command 48)"."""
    left, found = set(differences(made, asked)), []
    if "grid.tile_size" in left and not any(_overlaps(header["grid"]) for header in (made, asked)):
        left.discard("grid.stride")  # nobody has asked for one
    for cause in CAUSES:
        keys = [key for key in cause.keys if key in left]
        if keys:
            one, other = (cause.words(value_at(header, keys[0])) for header in (made, asked))
            found.append(f"{cause.name} (it has {one}, this command {other})")
            left = {key for key in left - set(cause.keys) if not key.startswith(cause.follow)}
    return found + sorted(left)


def _overlaps(grid: Header) -> bool:
    return bool(grid["stride"] != grid["tile_size"])
