"""Paths on the command line: one that is missing, or of the wrong kind, is told with what was probably meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from wsi_haloae.quoting import printable
from wsi_haloae.workspace.near_paths import alike, did_you_mean
from wsi_haloae.workspace.urls import is_url, told_url

SAFETENSORS = ".safetensors"
_MOST = 3
"""So many files are proposed."""
_ALIKE = 0.6
"""How alike two suffixes must be: .geojsn and .geojson are (0.93), .svs and .geojson are not (0.33)."""


class PathArgument(click.Path[Path]):
    """A path; with ``exists``, of something that is there. A file has ``suffix``, if one is named."""

    def __init__(
        self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True, suffix: str | None = None
    ) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)
        self._suffix = suffix

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, or an error that says what is needed, and which path might be meant."""
        path, shown = Path(value), printable(os.fsdecode(value))
        if is_url(shown):
            self.fail(told_url(shown), param, ctx)
        is_folder, is_file = os.path.isdir(path), os.path.isfile(path)  # noqa: PTH112, PTH113  # never an error
        if self.exists and not os.path.exists(path):  # noqa: PTH110
            self.fail(f"{shown}: {self.told_missing(path)}", param, ctx)
        if is_folder and not self.dir_okay:
            self.fail(f"{shown} is a folder, but a file is needed{self._file_of(path)}", param, ctx)
        if is_file and not self.file_okay:
            self.fail(f"{shown} is a file, but a folder is needed.", param, ctx)
        return super().convert(value, param, ctx)

    def told_missing(self, path: Path) -> str:
        """That nothing lies there, and the nearest path of the kind that is needed."""
        kind = " or ".join(("file",) * self.file_okay + ("folder",) * self.dir_okay)
        return f"there is no such {kind}{did_you_mean(path, self._fits(path))}"

    def _fits(self, missing: Path) -> Callable[[Path], bool]:
        given = missing.suffix

        def is_spelt_alike(path: Path) -> bool:
            return not given or alike(given, path.suffix) >= _ALIKE

        def fits(path: Path) -> bool:
            if path.is_dir():
                return self.dir_okay and is_spelt_alike(path)
            return self.file_okay and (path.suffix.lower() == self._suffix if self._suffix else is_spelt_alike(path))

        return fits

    def _file_of(self, folder: Path) -> str:
        """The end of that sentence: the file of the same name beside the folder, or those in it, or all beside it."""
        if self._suffix is None:
            return "."
        if not self.exists:
            return f", e.g. {printable(str(folder / f'model{self._suffix}'))}."
        twin, pattern = folder.parent / f"{folder.stem}{self._suffix}", f"*{self._suffix}"
        near = [twin] if twin.is_file() else sorted(folder.glob(pattern)) or sorted(folder.parent.glob(pattern))
        if not near:
            return f". There is no {self._suffix} in it or beside it."
        return f"; did you mean {' or '.join(printable(str(path)) for path in near[:_MOST])}?"
