"""Which slides a command works on (files, folders, globs or a manifest), and where their outputs go."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wsi_haloae.config import ProfileUse
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.dicom import is_dicom_name
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.readers import open_slide, slide_suffixes
from wsi_haloae.workspace.manifest import ManifestRow, read_manifest
from wsi_haloae.workspace.output_names import NameBy, output_names
from wsi_haloae.workspace.slide_folders import (
    MAC_COPY,
    MANIFEST_SUFFIXES,
    hint,
    is_missing,
    slides_in,
    slides_of_glob,
    told_missing,
)
from wsi_haloae.workspace.slide_places import SlidePlaces, told
from wsi_haloae.workspace.urls import is_url, told_url


@dataclass(frozen=True)
class SlideInput:
    """A slide file, the pixel size that the user gave (None: the file's), and the name of its output folder.

    ``patient``, ``group`` and ``anchors`` come from a manifest: whose slide it is, in which group it is compared, and
    the file with its marked reference tiles. ``colour_profile`` says whether pixels are converted to sRGB.
    """

    path: Path
    name: str
    mpp: float | None
    override_mpp: bool
    patient: str | None = None
    group: str | None = None
    anchors: Path | None = None
    colour_profile: ProfileUse = "ignore"

    @property
    def absolute(self) -> Path:
        """The absolute path. Links stay: a slide's other files lie beside the link, and outlines have its name."""
        return self.path.absolute()

    def open(self) -> Slide:
        """The slide, opened; raises `SlideError` or `UsageError`."""
        return open_slide(self.path, mpp=self.mpp, override_mpp=self.override_mpp, colour_profile=self.colour_profile)


def find_slides(
    arguments: Sequence[str],
    *,
    mpp: float | None,
    override_mpp: float | None,
    name_by: NameBy,
    recursive: bool = False,
    colour_profile: ProfileUse = "ignore",
    reporter: Reporter | None = None,
) -> list[SlideInput]:
    """All slides that the arguments name, in that order; with ``recursive``, those in subfolders too.

    A manifest's mpp column works like ``--mpp``. All paths are looked at here: ``reporter`` gets a warning that names
    the first that cannot be read, for the other slides need not wait for them, lines about what was left out, and the
    progress of a long manifest. Raises `UsageError` for an argument that names nothing (misspelt; what a manifest names
    may come later), if no slide is found, or if two would write to the same folder.
    """
    if mpp is not None and override_mpp is not None:
        raise UsageError("--mpp and --override-mpp were both given. Give only one of them.")
    given = override_mpp if override_mpp is not None else mpp
    search = _Search(reporter, recursive=recursive)
    rows = [row for argument in arguments for row in search.rows(argument)]
    rows = [row if given is None else replace(row, mpp=given) for row in rows]
    places = SlidePlaces()
    slides = _without_repeats(rows, places, search)
    search.say()
    if not slides:
        raise UsageError(_nothing_found(arguments))
    if reporter and places.problems and len(rows) > 1:  # one alone fails by itself
        reporter.warn(told(places.problems, len(slides)))
    return [
        SlideInput(
            path=row.path,
            name=name,
            mpp=row.mpp,
            override_mpp=override_mpp is not None,
            patient=row.patient,
            group=row.group,
            anchors=row.anchors,
            colour_profile=colour_profile,
        )
        for row, name in zip(slides, output_names([row.path for row in slides], name_by), strict=True)
    ]


def _nothing_found(arguments: Sequence[str]) -> str:
    for argument in arguments:
        path = Path(argument)  # one that exists may have brackets in its name
        if glob.has_magic(argument) and not path.exists() and not any(glob.iglob(argument, recursive=True)):  # noqa: PTH207
            return told_missing(path)
    folders = any(Path(argument).is_dir() for argument in arguments)
    kinds = f" (looked for {', '.join(sorted(slide_suffixes()))})" if folders else ""
    return f"no slides found in {', '.join(arguments)}{kinds}."


class _Search:
    """Finds the files that arguments name, and counts what is left out on the way."""

    def __init__(self, reporter: Reporter | None, *, recursive: bool) -> None:
        self._reporter, self._recursive = reporter, recursive
        self._lines: list[str] = []
        self._left_out: Counter[str] = Counter()

    def rows(self, argument: str) -> list[ManifestRow]:
        """The slides that one argument names."""
        path = Path(argument)
        if is_url(argument):
            raise UsageError(told_url(argument))
        if path.is_dir():
            found = slides_in(path, recursive=self._recursive)
            if found.deeper:
                self._lines.append(hint(path, found.deeper))
        elif path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file():
            rows = read_manifest(path, self._reporter)
            seen = [row for row in rows if not row.path.name.startswith(MAC_COPY)]
            self._left_out["hidden files"] += len(rows) - len(seen)
            return seen
        elif not is_missing(path):
            return [ManifestRow(path)]
        elif not glob.has_magic(argument):
            raise UsageError(told_missing(path))
        else:
            found = slides_of_glob(argument)
        self._left_out["hidden files"] += found.hidden
        self._left_out["DICOM files that are no slides"] += found.foreign
        return [ManifestRow(slide) for slide in found.slides]

    def linked(self, path: Path, first: Path) -> None:
        """Note that a path is a link to a slide that is there already."""
        self._lines.append(f"{path}: the same slide as {first}, which is done once")

    def say(self) -> None:
        """Print what was noted."""
        kinds = [f"{kind} ({count:,})" for kind, count in self._left_out.items() if count]
        if self._reporter:
            for line in (*self._lines, *([f"left out: {', '.join(kinds)}"] if kinds else [])):
                self._reporter.line(line)


def _without_repeats(rows: Sequence[ManifestRow], places: SlidePlaces, search: _Search) -> list[ManifestRow]:
    """`UsageError` for a slide that is named twice as two different ones."""
    seen: dict[str, ManifestRow] = {}
    for row in rows:
        first = seen.setdefault(places.of(row.path), row)
        if (first.mpp, first.patient, first.group) != (row.mpp, row.patient, row.group):
            raise UsageError(
                f"{row.path} is named twice{_also(row.path, first.path)}, with different mpp, patient or group. Keep "
                "only one of its rows."
            )
        if row.path.name != first.path.name and not is_dicom_name(row.path):
            search.linked(row.path, first.path)
    return list(seen.values())


def _also(path: Path, first: Path) -> str:
    return "" if path == first else f", for it is one slide with {first}"
