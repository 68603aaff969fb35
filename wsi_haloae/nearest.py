"""Which known name a misspelt one was probably meant to be, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The ``known`` name most like ``name``, whatever their case; None if none is (``cutoff`` 0: any, 1: only case)."""
    by_letters = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), by_letters, n=1, cutoff=cutoff)
    return by_letters[close[0]] if close else None
