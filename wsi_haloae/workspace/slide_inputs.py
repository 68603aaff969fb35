"""Which slides a command works on (files, folders, globs or a manifest), and where their outputs go."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import is_slide_name, open_slide
from wsi_haloae.workspace.manifest import ManifestRow, read_manifest

NameBy = Literal["stem", "parent"]
MOST_TOLD = 5
"""How many missing files a warning names."""


@dataclass(frozen=True)
class SlideInput:
    """A slide file, the pixel size that the user gave (None: the file's), and the name of its output folder.

    ``patient``, ``group`` and ``anchors`` come from a manifest: whose slide it is, in which group it is compared, and
    the file with its marked reference tiles.
    """

    path: Path
    name: str
    mpp: float | None
    override_mpp: bool
    patient: str | None = None
    group: str | None = None
    anchors: Path | None = None

    @property
    def absolute(self) -> Path:
        """The absolute path, with links resolved."""
        return resolved(self.path)

    def open(self) -> Slide:
        """The slide, opened; raises `SlideError` or `UsageError`."""
        return open_slide(self.path, mpp=self.mpp, override_mpp=self.override_mpp)


def find_slides(
    arguments: Sequence[str],
    *,
    mpp: float | None,
    override_mpp: float | None,
    name_by: NameBy,
    reporter: Reporter | None = None,
) -> list[SlideInput]:
    """All slides that the arguments name, in that order.

    A manifest's mpp column works like ``--mpp``. ``reporter`` shows the progress of a long manifest, and gets a warning
    that names its first files that do not exist: the other slides need not wait for them. Raises `UsageError` if no
    slide is found, or if two slides would write to the same folder.
    """
    if mpp is not None and override_mpp is not None:
        raise UsageError("--mpp and --override-mpp were both given. Give only one of them.")
    given = override_mpp if override_mpp is not None else mpp
    found = [
        SlideInput(
            path=row.path,
            name=_name(row.path, name_by),
            mpp=given if given is not None else row.mpp,
            override_mpp=override_mpp is not None,
            patient=row.patient,
            group=row.group,
            anchors=row.anchors,
        )
        for argument in arguments
        for row in _expand(argument, reporter)
    ]
    places = _Places()
    slides = _without_repeats(found, places)
    if reporter and places.missing and len(arguments) < len(found):  # one that was named fails by itself
        reporter.warn(_told_missing(places.missing, len(slides)))
    if not slides:
        raise UsageError(f"no slides found in {', '.join(arguments)}.")
    _refuse_twins(slides)
    return slides


class _Places:
    """Resolves many paths, one look at the disk for each. Folders are resolved once. ``missing`` does not exist."""

    def __init__(self) -> None:
        self.missing: list[Path] = []
        self._folders: dict[str, str] = {}

    def resolved(self, path: Path) -> str:
        """The same file has the same place."""
        try:
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
        except (OSError, ValueError) as error:
            self.missing.append(path)
            is_link = isinstance(error, ValueError)  # a NUL character
        folder, name = os.path.split(path)
        if is_link or name in {"", ".", ".."}:
            return str(resolved(path))
        if folder not in self._folders:
            self._folders[folder] = str(resolved(Path(folder)))
        return f"{self._folders[folder]}{os.sep}{name}"


def _told_missing(missing: Sequence[Path], slides: int) -> str:
    more = f" and {len(missing) - MOST_TOLD:,} more" if len(missing) > MOST_TOLD else ""
    return (
        f"{len(missing):,} of {slides:,} slides cannot be found: {', '.join(map(str, missing[:MOST_TOLD]))}{more}. "
        "They will fail; the others go on."
    )


def _without_repeats(found: Sequence[SlideInput], places: _Places) -> list[SlideInput]:
    """`UsageError` for a slide that is named twice as two different ones."""
    seen: dict[str, SlideInput] = {}
    for slide in found:
        first = seen.setdefault(places.resolved(slide.path), slide)
        if first is not slide and (first.mpp, first.patient, first.group) != (slide.mpp, slide.patient, slide.group):
            raise UsageError(
                f"{slide.path} is named twice, with different mpp, patient or group. Keep only one of its rows."
            )
    return list(seen.values())


def _expand(argument: str, reporter: Reporter | None) -> Iterable[ManifestRow]:
    path = Path(argument)
    if path.is_dir():
        return [ManifestRow(slide) for slide in _slides_in(path)]
    if path.suffix.lower() == ".csv" and path.is_file():
        return read_manifest(path, reporter)
    if path.exists() or not glob.has_magic(argument):
        return [ManifestRow(path)]
    found = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207  # absolute too
    return [ManifestRow(Path(match)) for match in found]


def _slides_in(folder: Path) -> list[Path]:
    slides = [path for path in sorted(folder.iterdir()) if is_slide_name(path) and path.is_file()]
    # The files of one DICOM series are one slide; OpenSlide opens it by any of them.
    dicom = [path for path in slides if path.suffix.lower() == ".dcm"]
    return [path for path in slides if path not in dicom[1:]]


def _name(path: Path, name_by: NameBy) -> str:
    return f"{resolved(path).parent.name}_{path.stem}" if name_by == "parent" else path.stem


def resolved(path: Path) -> Path:
    """The absolute path with links resolved. A path that cannot be resolved is reported when it is opened."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL character, or a link to itself
        return path.absolute()


def _refuse_twins(slides: Sequence[SlideInput]) -> None:
    seen: dict[str, SlideInput] = {}
    for slide in slides:
        twin = seen.setdefault(slide.name, slide)
        if twin is not slide:
            raise UsageError(
                f"{twin.path} and {slide.path} would both write to '{slide.name}/'. "
                "Pass --name-by parent to put the folder's name before the file's."
            )
