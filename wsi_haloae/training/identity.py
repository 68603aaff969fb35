"""What a training depends on, kept with it, so that files of another training are refused by what differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wsi_haloae.config import Config, differences
from wsi_haloae.errors import OutputExistsError

Identity = Mapping[str, Any]
"""A configuration, and everything else that decides the weights, by the words of a message. Only values of JSON."""

_CONFIG: Final = "config"
WEIGHTS: Final = "--weights"
"""The digest of the file of features' weights; None for those that are downloaded."""
_NAMED: Final = 5


def identity_of(config: Config, **others: Any) -> Identity:
    """The identity of a training with this configuration. Keys of ``others`` stand in messages."""
    return {_CONFIG: config.model_dump(mode="json"), **others}


def require_same(
    path: Path, found: Any, wanted: Identity, remedy: str = "pass --overwrite to replace it", source: str = ""
) -> None:
    """Raises `OutputExistsError`, which names what differs, if ``path`` belongs to another training.

    ``source`` says where the weights of its features came from, if that is known.
    """
    if found == wanted:
        return
    if not isinstance(found, Mapping):
        names = ["settings or inputs"]
    else:
        names = sorted(key.removeprefix(f"{_CONFIG}.") for key in differences(found, wanted))
    more = ", ..." if len(names) > _NAMED else ""
    what, way_out = f"other {', '.join(names[:_NAMED])}{more}", f"Choose another -o, or {remedy}."
    if names == [WEIGHTS]:
        digest = found.get(WEIGHTS)
        what += f" ({source or f'SHA-256 {str(digest)[:12]}...'})" if digest else " (none)"
        again = "Give that --weights FILE again" if digest else "Leave --weights out"
        way_out = f"{again}, choose another -o, or {remedy}."
    raise OutputExistsError(f"{path}: exists already, from a training with {what}. {way_out}")
