"""Tiles in folders, each folder a class: read, checked, and joined with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.tiles.sources import CombinedSource, ImageFolderSource, TileSource


@dataclass(frozen=True)
class LabelledSource:
    """n tiles, the class of each, and whether it is anomalous, (n,) each."""

    source: TileSource
    classes: NDArray[np.str_]
    anomalous: NDArray[np.bool_]

    @classmethod
    def of(cls, reference: Mapping[str, TileSource], anomalous: Mapping[str, TileSource]) -> Self:
        """Tiles of reference and anomalous classes, by the name of their class; no name is in both."""
        parts = {**reference, **anomalous}
        classes = np.repeat(list(parts), [len(part.groups) for part in parts.values()])
        source = CombinedSource([CombinedSource(list(some.values())) for some in (reference, anomalous)])
        return cls(source, classes, np.isin(classes, list(anomalous)))


@dataclass(frozen=True)
class TileFolders:
    """The folders of ``evaluate-tiles``, and the part of a file's path that names its group.

    Tiles in ``fit`` are not judged: the baselines are fitted on them.
    """

    reference: Path
    anomalous: Sequence[Path]
    fit: Path | None = None
    group_regex: str | None = None

    def read(self, tile_size: int, mpp: float) -> tuple[LabelledSource, TileSource | None]:
        """The labelled tiles, and the tiles to fit baselines on, of a size in pixels; files state no pixel size.

        Raises `UsageError` for folders that share a tile or a name, without images, or with tiles of another size.
        """
        judged = [self.reference, *self.anomalous]
        _require_apart([*judged, *([self.fit] if self.fit else [])])
        names = [folder.resolve().name for folder in judged]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(
                    f"two folders are called {name}, but a class has the name of its folder. Rename one of them, or "
                    "put both into one folder."
                )
        opened = {folder: self._open(folder, tile_size, mpp) for folder in (*judged, self.fit) if folder}
        _require_different(list(opened.values()))
        reference, *anomalous = (opened[folder] for folder in judged)
        labelled = LabelledSource.of({names[0]: reference}, dict(zip(names[1:], anomalous, strict=True)))
        return labelled, opened[self.fit] if self.fit else None

    def warnings(self, labelled: LabelledSource, fit: TileSource | None) -> list[str]:
        """What the groups of these tiles, as they were read, do to the figures."""
        found = []
        if self.group_regex is None:
            found.append(
                "Each image counts as a group of its own. If several come from one patient, the intervals are too "
                "narrow: name the patients with --group-regex."
            )
        shared = set(fit.groups) & set(labelled.source.groups) if fit else set()
        if shared:
            found.append(
                f"Groups both in --fit-dir and among the judged tiles: {len(shared):,}, such as {min(shared)}. This "
                "favours the baselines."
            )
        return found

    def facts(self) -> dict[str, Any]:
        """Entries of the JSON: folders, and how groups were named."""
        folders = [self.reference, *self.anomalous]
        return {
            "folders": {folder.resolve().name: str(folder) for folder in folders},
            "fit": str(self.fit) if self.fit else None,
            "group_regex": self.group_regex,
        }

    def _open(self, folder: Path, tile_size: int, mpp: float) -> ImageFolderSource:
        source = ImageFolderSource.open(folder, mpp, self.group_regex)
        if source.tile_size != tile_size:
            raise UsageError(
                f"{folder}: tiles of {source.tile_size} px, but the model was trained on tiles of {tile_size} px. "
                f"Nothing is resized: cut them again, {tile_size} px at {mpp:.4g} µm/px."
            )
        return source


def _require_apart(folders: Sequence[Path]) -> None:
    for inner, outer in permutations(folders, 2):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise UsageError(
                f"{inner}: is in {outer}, so its tiles would count for both. Name folders that lie beside each other."
            )


def _require_different(sources: Sequence[ImageFolderSource]) -> None:
    """A tile in two folders has two classes, or a baseline would be judged on what it was fitted on."""
    seen: dict[str, Path] = {}
    for source in sources:
        own = {file_sha256(file): file for file in source.files}
        for digest, file in own.items():
            if digest in seen:
                raise UsageError(
                    f"{file}: the same image as {seen[digest]}. A tile must be in one of the folders only; remove it "
                    "from the other."
                )
        seen |= own
