"""The slides in a folder: without what is hidden, what this package wrote, and DICOM files that are no slides."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsi_haloae.errors import UsageError
from wsi_haloae.slide.dicom import is_dicom_name, read_dicom
from wsi_haloae.slide.readers import is_slide_name
from wsi_haloae.workspace.near_paths import did_you_mean
from wsi_haloae.workspace.slide_places import SlidePlaces

OUTPUTS = frozenset({"scores.zarr", "tiles.zarr"})
"""A folder with one of these holds the results of a slide; its heatmaps are no slides."""
MANIFEST_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
_KINDS_TOLD = 5
MAC_COPY = "._"
"""macOS puts a file of this kind beside each file that it copies to a foreign disk."""


@dataclass
class FoundSlides:
    """Slide files in a fixed order; those in subfolders that were not searched; and how many were left out."""

    slides: list[Path] = field(default_factory=list)
    deeper: list[Path] = field(default_factory=list)
    hidden: int = 0
    foreign: int = 0
    """DICOM files of another kind."""

    def add(self, path: Path, hidden: str = ".") -> None:
        """Sort in one file with the name of a slide; it is hidden if its name begins with ``hidden``."""
        if path.name.startswith(hidden):
            self.hidden += 1
        elif is_dicom_name(path) and path.is_file() and (dicom := read_dicom(path)) and not dicom.is_slide:
            self.foreign += 1
        else:
            self.slides.append(path)


def slides_in(folder: Path, *, recursive: bool) -> FoundSlides:
    """The slides in a folder and, if ``recursive``, below it. Raises `UsageError` if all lie below, and none in it."""
    found, below = FoundSlides(), FoundSlides()
    for path in _slide_files(folder):
        (found if recursive or path.parent == folder else below).add(path)
    found.deeper = below.slides
    if found.deeper and not found.slides:
        raise UsageError(f"{folder}: no slide lies in this folder itself, but {_told_deeper(folder, found.deeper)}")
    return found


def slides_of_glob(pattern: str) -> FoundSlides:
    """The files that a glob with ``*``, ``**``, ``?`` or ``[]`` names, and how many hidden slides it does not."""
    found, matches = FoundSlides(), set(glob.glob(pattern, recursive=True))  # noqa: PTH207  # absolute too
    for path in map(Path, sorted(matches)):
        if not _is_output(path.parent):
            found.add(path, MAC_COPY)  # a glob may name other hidden files
    hidden = set(glob.glob(pattern, recursive=True, include_hidden=True)) - matches  # noqa: PTH207
    found.hidden += sum(is_slide_name(Path(match)) for match in hidden)
    return found


def told_missing(path: Path) -> str:
    """What to say of a path or a pattern that names nothing: also what its folder holds."""
    if not glob.has_magic(str(path)):
        return f"{path}: there is no such file or folder{did_you_mean(path, could_be_meant_by(path))}"
    if any(glob.iglob(str(path), recursive=True)):  # noqa: PTH207
        return f"{path}: a pattern in quotes is not expanded here. Leave the quotes out."
    folder = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
    if not folder.is_dir():
        return f"{path}: nothing matches this pattern, for there is no folder {folder}."
    kinds = Counter(entry.suffix or "without a suffix" for entry in folder.iterdir() if entry.is_file())
    files = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(_KINDS_TOLD)) or "no files"
    return f"{path}: nothing matches this pattern. In {folder} there are: {files}."


def could_be_meant_by(missing: Path) -> Callable[[Path], bool]:
    """Whether another path could be meant by one that should name slides, by the suffix that it was given.

    A manifest by the suffix of one; a slide by any other; all of these and a folder by none.
    """
    given = missing.suffix.lower()

    def fits(path: Path) -> bool:
        if path.is_dir():
            return not given or path.suffix.lower() == given  # tiles.zarr
        is_manifest = path.suffix.lower() in MANIFEST_SUFFIXES
        return is_manifest if given in MANIFEST_SUFFIXES else is_slide_name(path) or (is_manifest and not given)

    return fits


def is_missing(path: Path) -> bool:
    """Whether nothing lies there. A link to nothing does, and so may what is not ours to look at."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def hint(folder: Path, deeper: Sequence[Path]) -> str:
    """What to say about slides in subfolders that were not searched."""
    return f"{folder}: {_told_deeper(folder, deeper)}"


def _told_deeper(folder: Path, deeper: Sequence[Path]) -> str:
    places = SlidePlaces()
    count = len({places.of(path) for path in deeper})
    suffix = Counter(path.suffix for path in deeper).most_common(1)[0][0]
    words = "slide lies" if count == 1 else "slides lie"
    return (
        f"{count:,} {words} in its subfolders, which are not searched, e.g. {deeper[0]}. To search them too, pass "
        f"--recursive, or name the slides: '{folder}/**/*{suffix}' (with the quotes)."
    )


def _slide_files(folder: Path) -> Iterator[Path]:
    """Files with a slide's name in a folder, and then those below it; no folder is entered twice through links."""
    entered = set[tuple[int, int]]()
    for parent, folders, names in os.walk(folder, followlinks=True):
        here = Path(parent)
        state = here.stat()
        if (state.st_dev, state.st_ino) in entered or (here != folder and _is_output(here)):
            folders.clear()
            continue
        entered.add((state.st_dev, state.st_ino))
        stems = {Path(name).stem for name in names if name.lower().endswith(".mrxs")}  # their pixels lie in a folder
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in stems)
        yield from (here / name for name in sorted(names) if is_slide_name(Path(name)))  # dead links too: they are told


def _is_output(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in OUTPUTS)
