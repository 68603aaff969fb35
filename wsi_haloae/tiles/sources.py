"""Where reference tiles come from: tile stores and folders of images, behind one protocol.

Annotated slides become tile stores first (`runs.train_tiles`), so training reads only two kinds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.config import ProfileUse
from wsi_haloae.errors import UsageError
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.files import IMAGE_SUFFIXES, list_images
from wsi_haloae.images.tile_size import common_tile_size
from wsi_haloae.slide.properties import MPP_TOLERANCE
from wsi_haloae.stores.positions import tile_positions
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.slides_among_images import slide_among

SPATIAL_BLOCK = 4
"""Tiles per side of the blocks that replace groups if there are too few slides."""


class TileSource(Protocol):
    """Reference tiles of one size and scale.

    ``groups`` names the patient, slide or cluster of each tile. ``blocks`` names a smaller unit,
    used if there are too few groups to split. ``positions`` say which tiles are neighbours.
    """

    @property
    def name(self) -> str:
        """Where the tiles come from, for messages."""
        ...

    @property
    def tile_size(self) -> int:
        """Side of a tile in pixels."""
        ...

    @property
    def mpp(self) -> float:
        """Micrometres per pixel of the tiles."""
        ...

    @property
    def colour_profile(self) -> ProfileUse:
        """Whether the tiles were converted to sRGB by their slides' colour profiles."""
        ...

    @property
    def groups(self) -> Sequence[str]:
        """Group of each tile."""
        ...

    @property
    def blocks(self) -> Sequence[str]:
        """Block of each tile."""
        ...

    @property
    def positions(self) -> NDArray[np.float32]:
        """Where the tiles lie, (n, 3), as `wsi_haloae.adaptation.neighbourhood` has it."""
        ...

    def read(self, number: int) -> NDArray[np.uint8]:
        """One tile, (s, s, 3) RGB."""
        ...

    def digest(self) -> str:
        """Hex digest that identifies the tiles; it does not depend on where they are stored."""
        ...


class TileStoreSource:
    """The readable tiles of a tile store, with its ``header`` and their ``index``.

    Their group is the slide, unless ``group`` is given.
    """

    def __init__(self, path: Path, group: str | None = None) -> None:
        self._store = TileStore.open(path)
        if not self._store.finished:
            raise UsageError(f"{path}: tiling was interrupted. Run the same 'wsi-haloae tile' command again.")
        self.header = header = self._store.header
        self.name, self.colour_profile = str(path), header.colour_profile
        self.tile_size = self._store.tile_size
        self.mpp = float(np.sqrt(header.read_plan["mpp_x"] * header.read_plan["mpp_y"]))
        self._numbers = np.flatnonzero(self._store.states() == TileState.DONE)
        self.slide = header.slide.name
        slide = group or self.slide
        self.index = index = self._store.index.select(self._numbers)
        self.groups = [slide] * len(self._numbers)
        self.blocks = [
            f"{slide} block {row // SPATIAL_BLOCK},{column // SPATIAL_BLOCK}"
            for row, column in zip(index.row, index.column, strict=True)
        ]
        self.positions = tile_positions(header, index)

    def read(self, number: int) -> NDArray[np.uint8]:
        """One tile, (s, s, 3) RGB."""
        return self._store.read_tile(int(self._numbers[number]))

    def digest(self) -> str:
        """Hex digest of the slide's fingerprint, the grid and the readable tiles."""
        identity = json.dumps(self._store.header.identity(), sort_keys=True).encode()
        return hashlib.sha256(identity + self.index.location.tobytes()).hexdigest()


class ImageFolderSource:
    """A folder of images, each one tile; they must all have one size. Their pixels are taken as stored."""

    colour_profile: ProfileUse = "ignore"

    def __init__(self, folder: Path, mpp: float, files: Sequence[Path], groups: Sequence[str]) -> None:
        self.name, self.mpp, self.tile_size = str(folder), mpp, common_tile_size(files)
        self.files = list(files)
        self.groups = list(groups)
        self.blocks = [file.relative_to(folder).as_posix() for file in files]
        self.positions = nowhere(len(files))

    @classmethod
    def open(cls, folder: Path, mpp: float, group_regex: str | None = None) -> Self:
        """All images below a folder, of ``mpp`` µm per pixel; without ``group_regex`` each is a group of its own.

        Raises `UsageError` for a folder without images, for images of several sizes, and for names without a group.
        """
        files = list_images(folder)
        if slide := slide_among(files):
            raise UsageError(
                f"{slide}: this is a whole slide, not a tile. Name a folder of tiles, images of one size; scored "
                "slides are judged by 'wsi-haloae evaluate'."
            )
        if not files:
            raise UsageError(f"{folder}: no image in it; tiles in {', '.join(sorted(IMAGE_SUFFIXES))} are needed.")
        if group_regex is None:
            groups = [f"{folder.resolve().name}/{file.relative_to(folder).as_posix()}" for file in files]
        else:
            groups = group_by_regex(files, folder, group_regex)
        return cls(folder, mpp, files, groups)

    def read(self, number: int) -> NDArray[np.uint8]:
        """One tile, (s, s, 3) RGB."""
        return decode_rgb(self.files[number])

    def digest(self) -> str:
        """Hex digest of the file names relative to the folder, and the files' bytes."""
        whole = hashlib.sha256()
        for file, name in zip(self.files, self.blocks, strict=True):
            whole.update(os.fsencode(name) + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        return whole.hexdigest()


@dataclass(frozen=True)
class CombinedSource:
    """Several sources one after another."""

    parts: Sequence[TileSource]

    def __post_init__(self) -> None:
        """Refuse parts of different tile size, scale or colours."""
        first = self.parts[0]
        for part in self.parts[1:]:
            if part.tile_size != first.tile_size or abs(part.mpp / first.mpp - 1) > MPP_TOLERANCE:
                raise UsageError(
                    f"{part.name}: tiles of {part.tile_size} px at {part.mpp:.4g} µm/px, but {first.name} has "
                    f"{first.tile_size} px at {first.mpp:.4g}. A model is trained on tiles of one size and one scale."
                )
            if part.colour_profile != first.colour_profile:
                raise UsageError(
                    f"{part.name}: tiles made with --colour-profile {part.colour_profile}, but those in {first.name} "
                    f"with {first.colour_profile}. A model is trained on colours of one kind: cut the slides again "
                    "with one value of 'wsi-haloae tile --colour-profile' (images in folders count as 'ignore')."
                )

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """The tile number at which each part ends."""
        return np.cumsum([len(part.groups) for part in self.parts])

    @property
    def tile_size(self) -> int:
        """Side of a tile in pixels."""
        return self.parts[0].tile_size

    @property
    def mpp(self) -> float:
        """Micrometres per pixel of the tiles."""
        return self.parts[0].mpp

    @property
    def colour_profile(self) -> ProfileUse:
        """Whether the tiles were converted to sRGB by their slides' colour profiles."""
        return self.parts[0].colour_profile

    @cached_property
    def groups(self) -> list[str]:
        """Group of each tile."""
        return [group for part in self.parts for group in part.groups]

    @cached_property
    def blocks(self) -> list[str]:
        """Block of each tile."""
        return [block for part in self.parts for block in part.blocks]

    @cached_property
    def positions(self) -> NDArray[np.float32]:
        """Where the tiles lie, (n, 3); each part's slides are others."""
        found, slides = [], 0
        for part in self.parts:
            found.append(part.positions + np.array([slides, 0, 0], np.float32))
            slides += int(part.positions[:, 0].max(initial=-1)) + 1
        return np.concatenate(found)

    @property
    def name(self) -> str:
        """Names of all parts."""
        return ", ".join(part.name for part in self.parts)

    def read(self, number: int) -> NDArray[np.uint8]:
        """One tile, (s, s, 3) RGB."""
        part = int(np.searchsorted(self._ends, number, side="right"))
        return self.parts[part].read(number - int(self._ends[part - 1] if part else 0))

    def digest(self) -> str:
        """Hex digest of the parts' digests, in order."""
        return hashlib.sha256("".join(part.digest() for part in self.parts).encode()).hexdigest()


def group_by_regex(files: Sequence[Path], folder: Path, pattern: str) -> list[str]:
    """The part of each file's relative path that ``pattern`` matches (its first group, if it has one)."""
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--group-regex {pattern}: not a regular expression ({error}).") from None
    groups = []
    for file in files:
        match = regex.search(file.relative_to(folder).as_posix())
        if match is None:
            raise UsageError(f"--group-regex {pattern}: does not match {file.relative_to(folder)}.")
        groups.append(match.group(1) if regex.groups else match.group(0))
    return groups


def read_tiles(source: TileSource, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The tiles ``numbers`` (n,) as they are in the source, (n, s, s, 3)."""
    return np.stack([source.read(int(number)) for number in numbers])


def evenly(tiles: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most ``count`` of ``tiles`` (n,), evenly spaced and in order."""
    spread: NDArray[np.int64] = tiles[np.linspace(0, len(tiles) - 1, min(count, len(tiles))).round().astype(int)]
    return spread
