"""Which path was probably meant by one that is not there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

from wsi_haloae.quoting import printable

NEAR = 0.7
"""How alike two names without their suffixes must be: liver1 and liver-1 are (0.92), slide and liver are not (0.6)."""
_PARTS = re.compile(r"[-_. ]")
_SHORTENED = 0.8
"""How alike two names count of which one begins the other, up to a hyphen or the like: vgg19 and vgg19_features."""


def did_you_mean(path: Path, fits: Callable[[Path], bool]) -> str:
    """The end of a sentence about a missing path: the nearest one that ``fits``, if there is any."""
    near = nearest_path(path, fits)
    return "." if near is None else f"; did you mean {printable(str(near))}?"


def nearest_path(path: Path, fits: Callable[[Path], bool]) -> Path | None:
    """The path that ``fits`` and is most like one that is missing. Looks into the deepest of its folders that is there.

    If the name of a folder is misspelt, that folder is the answer, unless the rest of the path lies in it and fits.
    None for a URL: a bucket may hold millions of names.
    """
    if not isinstance(path, Path):
        return None
    folder, name, rest = path.parent, path.name, Path()
    while folder != folder.parent and not os.path.isdir(folder):  # noqa: PTH112  # no error for a name that is too long
        folder, name, rest = folder.parent, folder.name, Path(name) / rest
    try:
        known = [folder / entry for entry in sorted(os.listdir(folder)) if not entry.startswith(".")]  # noqa: PTH208
    except OSError:
        return None
    if rest == Path():
        return _most_like(name, [one for one in known if fits(one)])
    near = _most_like(name, [one for one in known if one.is_dir() or one.name == name])
    whole = None if near is None else near / rest
    return whole if whole is not None and whole.exists() and fits(whole) else near


def _most_like(name: str, known: list[Path]) -> Path | None:
    """By the names without suffixes, for a common suffix makes any two names alike; the suffixes decide a tie."""
    stem = Path(name).stem
    marks = {one: (alike(stem, one.stem), alike(name, one.name)) for one in known}
    best = max(marks, key=lambda one: marks[one], default=None)
    return best if best is not None and marks[best][0] >= NEAR else None


def alike(one: str, other: str) -> float:
    """From 0 (no letter in common) to 1 (the same, whatever the case)."""
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    is_shortened = bool(short) and long.startswith(short) and _PARTS.match(long, len(short)) is not None
    return max(SequenceMatcher(None, short, long).ratio(), _SHORTENED * is_shortened)
