"""How the output folders of slides are called, by the file or by its folders too."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from wsi_haloae.errors import UsageError

NameBy = Literal["stem", "parent"]


def output_names(paths: Sequence[Path], name_by: NameBy) -> list[str]:
    """The name of each slide's output folder: its file's without suffix, by "parent" with its folder's before it.

    Where folders have one name too, those above them are put before it until the names differ. Folders are called as
    the user calls them: a link into a store has a folder there that says nothing. Raises `UsageError` for slides that
    cannot be told apart.
    """
    if name_by == "stem":
        return _different([path.stem for path in paths], paths, name_by)
    depth, most = [1] * len(paths), max((len(_folders(path)) for path in paths), default=0)
    names = [_with_folders(path, 1) for path in paths]
    for _ in range(most):
        for place in (place for same in _same(names) for place in same):
            depth[place] += 1
            names[place] = _with_folders(paths[place], depth[place])
    return _different(names, paths, name_by)


def _different(names: list[str], paths: Sequence[Path], name_by: NameBy) -> list[str]:
    for first, second, *_more in _same(names):
        one, other = paths[first], paths[second]
        raise UsageError(f"{one} and {other} would both write to '{names[first]}/'. {_way_out(one, other, name_by)}")
    return names


def _way_out(one: Path, other: Path, name_by: NameBy) -> str:
    if name_by == "stem" and _folders(one) != _folders(other):
        return "Pass --name-by parent to put the folder's name before the file's."
    return "They differ only in what follows the last dot. Rename one of them, or leave it out."


def _same(names: Sequence[str]) -> list[list[int]]:
    """Places of equal names, for each name that is there more than once."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        places[name].append(place)
    return [same for same in places.values() if len(same) > 1]


def _with_folders(path: Path, depth: int) -> str:
    return "_".join([*_folders(path)[-depth:], path.stem])


def _folders(path: Path) -> tuple[str, ...]:
    return Path(os.path.normpath(path.absolute())).parts[1:-1]
