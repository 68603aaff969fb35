"""What tile stores and score stores share: an index of tiles, and work done shard by shard.

A store is a Zarr v3 group on disk. It is created under a temporary name and renamed, so a store
that exists has its whole index. Work is committed per shard of `SHARD_TILES` tiles, as one file
(see filling.py). A shard without that file is done again after a crash, and ends with the same bytes.
`complete` makes one file per column of them.

A store is sealed (see seal.py) from the beginning: whatever is missing, exchanged or altered is a
`StoreError` that names it, by its presence and size when the store is opened, by its checksum when it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from wsi_haloae.atomic import commit, new_tree, recover, remove
from wsi_haloae.errors import OutputExistsError, StoreError
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.column_file import create_column, create_whole
from wsi_haloae.stores.damage import damage_told
from wsi_haloae.stores.filling import SHARD_TILES, SHARDS_NAME, Filling
from wsi_haloae.stores.index_places import MOST_TILES, check_places
from wsi_haloae.stores.layout import Column, check_layout, check_values
from wsi_haloae.stores.made_from import differing
from wsi_haloae.stores.places import plain_store, sizes_below
from wsi_haloae.stores.reasons import REASON_BYTES, as_bytes, as_text
from wsi_haloae.stores.seal import ROOT, Contents, damage_below, seal_new
from wsi_haloae.stores.sealed_store import SealedStore, open_sealed
from wsi_haloae.stores.store_header import StoreHeader

MOST_PIXELS = 1 << 28


class TileState(IntEnum):
    """The state of a tile."""

    PENDING = 0
    DONE = 1
    UNREADABLE = 2


@dataclass(frozen=True)
class UnreadableTile:
    """A tile that could not be read: its place in the grid, its location at level 0, and the reason."""

    row: int
    column: int
    x: int
    y: int
    reason: str


@dataclass(frozen=True)
class TileIndex:
    """The tiles of a store, in reading order: five arrays of one length n."""

    row: NDArray[np.int64]  # (n,)
    column: NDArray[np.int64]  # (n,)
    location: NDArray[np.int64]  # (n, 2): x, y at level 0
    size: NDArray[np.int64]  # (n, 2): width, height at level 0, clipped to the slide
    tissue_fraction: NDArray[np.float32]  # (n,)

    def __len__(self) -> int:
        return len(self.row)

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> TileIndex:
        """The tiles that ``chosen`` picks, in its order."""
        return TileIndex(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


INDEX_COLUMNS = {
    "row": Column(np.int64),
    "column": Column(np.int64),
    "location": Column(np.int64, (2,)),
    "size": Column(np.int64, (2,)),
    "tissue_fraction": Column(np.float32, least=0, most=1),
}
"""The fields of `TileIndex`; `ShardedStore.check` knows where tiles may lie."""
STATE_COLUMN = Column(np.uint8, least=min(TileState), most=max(TileState))


class ShardedStore:
    """Base of `TileStore` and `ScoreStore`; open one with `open` or make one with `create`."""

    kind: ClassVar[str]
    format_version: ClassVar[int]
    """Raised whenever the layout changes. The one before, which has no seal, can be read; any other is refused."""
    header_type: ClassVar[type[StoreHeader]]
    slide_wide: ClassVar[frozenset[str]] = frozenset()
    """Arrays that belong to the slide as a whole, and have no entry per tile."""
    large: ClassVar[frozenset[str]] = frozenset()
    """Arrays with a file per shard, also in a complete store."""

    def __init__(self, path: Path, group: zarr.Group, header: StoreHeader, sealed: SealedStore | None) -> None:
        self.path = path
        self.header = header
        self._group, self._sealed = group, sealed
        self._arrays = dict(group.arrays())
        self._columns = self.columns()
        check_layout(self._arrays, self._columns)
        self._require_lengths()
        self.index = TileIndex(**{field.name: self.read(field.name) for field in fields(TileIndex)})

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store at a path or `places.place`. Raises `StoreError` for anything but a whole store."""
        sizes = sizes_below(path) if isinstance(path, Path) else None
        try:
            attributes = _attributes(path)
        except Exception:  # noqa: BLE001  # nothing there, something else, or a zarr.json with any content
            raise StoreError(f"{path}: there is no {cls.kind} here that can be opened.") from None
        if attributes.get("kind") != cls.kind:
            raise StoreError(f"{path}: this is not a {cls.kind} (kind: {attributes.get('kind')!r}).")
        version = attributes.get("format_version")
        if version not in (cls.format_version, cls.format_version - 1):  # any JSON, so perhaps not hashable
            raise StoreError(
                f"{path}: format version {version!r}, but this wsi-haloae reads version {cls.format_version}. "
                "Use the version of wsi-haloae that wrote it, or make it again with --overwrite."
            )
        with damage_told(path, cls.kind):
            if version == cls.format_version:
                group, sealed = open_sealed(path)
                if sizes is not None:  # behind a URL, what is missing is noticed when it is read
                    sealed.seal.require_sizes(sizes)
            else:
                group, sealed = zarr.open_group(plain_store(path, read_only=False), mode="r+", zarr_format=3), None
            store = cls(path, group, cls.header_type.model_validate(attributes["header"]), sealed)
            store.check()
            _ = store.complete  # reads the rest of the attributes: whatever is wrong with them is told here
            return store

    @classmethod
    @contextmanager
    def _making(cls, path: Path, header: StoreHeader, index: TileIndex) -> Iterator[zarr.Group]:
        """A new group with header, index and pending states. It appears at ``path`` once the caller is done."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_tree(path) as partial:
            group = zarr.create_group(partial, zarr_format=3)
            for field in fields(TileIndex):
                create_whole(group, field.name, getattr(index, field.name))
            create_column(group, "state", len(index), np.uint8, fill=TileState.PENDING)
            create_column(group, "reason", len(index), np.uint8, width=REASON_BYTES, text=True)
            (partial / SHARDS_NAME).mkdir()
            yield group
            identity = json.dumps(header.identity(), sort_keys=True)
            attributes = {
                "kind": cls.kind,
                "format_version": cls.format_version,
                "header": header.model_dump(mode="json"),
                "key": hashlib.sha256(identity.encode()).hexdigest(),
                "complete": False,
            }
            seal_new(partial, attributes)

    def columns(self) -> dict[str, Column]:
        """What each array must be; a kind of store adds its own."""
        return {**INDEX_COLUMNS, "state": STATE_COLUMN, "reason": Column(np.uint8, (REASON_BYTES,))}

    def check(self) -> None:
        """Raise `ValueError` for an index that no tiler can have made. Later code trusts the index."""
        index = self.index
        check_places(index.row, index.column, index.location, index.size, self.header.grid)

    def _require_lengths(self) -> None:
        """Raise `ValueError`, before reading, unless all arrays with an entry per tile have the same length."""
        lengths = {name: array.shape[0] for name, array in self._arrays.items() if name not in self.slide_wide}
        if len(set(lengths.values())) != 1 or not 0 <= lengths["row"] <= MOST_TILES:
            raise ValueError(f"its arrays have different or impossible lengths: {lengths}")
        if any(self._arrays[name].size > MOST_PIXELS for name in self.slide_wide):
            raise ValueError("one of its arrays is too large")

    def require_same(self, header: StoreHeader, index: TileIndex | None = None) -> None:
        """Raise `OutputExistsError` unless this store was made with the same ``header`` and ``index``."""
        if others := self.differs_in(header, index):
            raise OutputExistsError(
                f"{self.path}: this {self.kind} was made from other inputs or settings (differs in: {others}). Give "
                "the options that it was made with, choose another output folder, or pass --overwrite to replace it."
            )

    def differs_in(self, header: StoreHeader, index: TileIndex | None = None) -> str:
        """What is not as ``header`` and ``index`` (a drawn region chose it) have it, for a message; "" if nothing."""
        others = differing(self.header.identity(), header.identity())
        if not others and index is not None and not np.array_equal(self.index.location, index.location):
            others = ["chosen tiles (of another region or class)"]
        return ", ".join(others[:5])

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-len(self) // SHARD_TILES)

    def shard_slice(self, shard: int) -> slice:
        """The tiles of one shard, as a slice of the index."""
        return slice(shard * SHARD_TILES, min((shard + 1) * SHARD_TILES, len(self)))

    def count_tiles(self, shards: Iterable[int]) -> int:
        """Number of tiles in some shards."""
        places = (self.shard_slice(shard) for shard in shards)
        return sum(place.stop - place.start for place in places)

    def states(self) -> NDArray[np.uint8]:
        """State of each tile (n,), values of `TileState`."""
        return self.read("state")

    @property
    def complete(self) -> bool:
        """Whether every column is in one piece: no shard will be written any more."""
        return self._filling is None

    @cached_property
    def _filling(self) -> Filling | None:
        """What there is of the columns while shards are written; None in a complete store, and in one of old."""
        if self._sealed is None or self._sealed.seal.attributes["complete"]:
            return None
        varying = {name: array for name, array in self._arrays.items() if name not in self._given}
        large = {name: varying.pop(name) for name in sorted(self.large & varying.keys())}
        return Filling(self.path, bytes.fromhex(self._sealed.seal.attributes["key"]), len(self), varying, large)

    def pending_shards(self) -> list[int]:
        """Shards that are not committed yet, in order."""
        if self._filling is not None:
            return self._filling.pending()
        states = self.states()
        return [i for i in range(self.shards) if (states[self.shard_slice(i)] == TileState.PENDING).any()]

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to write."""
        return self.complete and not self.pending_shards()

    def take_up(self, reporter: Reporter) -> None:
        """Make the store of an earlier run ready to be written. Shards that are damaged are pending again.

        Only for the one process that writes the store. Raises `OutputExistsError` for one that another version began.
        """
        recover(self.path)
        for leftover in self.path.rglob("*.partial"):
            if leftover.is_file():
                leftover.unlink()
        if self._filling is not None:
            for damage in self._filling.discard_damaged():
                reporter.warn(f"{self.path}: {damage}; its tiles are done again")
        elif self._sealed is not None:
            remove(self.path / SHARDS_NAME)
        elif not self.finished:
            raise OutputExistsError(
                f"{self.path}: this {self.kind} was begun by an earlier version of wsi-haloae, which keeps unfinished "
                "work in another way. Finish it with that version, or pass --overwrite to start again."
            )

    def damage(self) -> list[str] | None:
        """Read every file, and say what is not as it was written. None if nobody can know: the store has no seal."""
        if self._sealed is None:
            return None
        unfinished = [] if self._filling is None else list(self._filling.damage().values())
        return [*damage_below(self.path, self._sealed.seal), *unfinished]

    def reasons(self, shard: int) -> tuple[str, ...]:
        """Why each tile of a shard could not be read; "" for one that could."""
        return tuple(as_text(line) for line in self.read("reason", self.shard_slice(shard)))

    def unreadable(self) -> list[UnreadableTile]:
        """Every tile that could not be read, and why."""
        numbers, index = np.flatnonzero(self.states() == TileState.UNREADABLE), self.index
        if not len(numbers):
            return []
        first, last = int(numbers[0]), int(numbers[-1])
        # Read once: in a finished store the column is one chunk, and reading any part unpacks all of it.
        reasons = self.read("reason", slice(first, last + 1))
        return [
            UnreadableTile(
                int(index.row[number]),
                int(index.column[number]),
                int(index.location[number, 0]),
                int(index.location[number, 1]),
                as_text(reasons[number - first]),
            )
            for number in numbers.tolist()
        ]

    def _write_shard(
        self, shard: int, rows: Mapping[str, NDArray[Any]], states: NDArray[np.uint8], reasons: Sequence[str]
    ) -> None:
        """Write one shard with the states of its tiles, and the reasons for unreadable ones ("" for others)."""
        if self._filling is None or not isinstance(self.path, Path):
            raise StoreError(f"{self.path}: is read-only: it is complete, of an earlier version, or behind a URL.")
        assert not (states == TileState.PENDING).any()
        texts = np.stack([as_bytes(reason) for reason in (reasons or [""] * len(states))])
        self._filling.write(shard, {**rows, "state": states, "reason": texts})

    def assemble(self) -> None:
        """Once all shards are written, make one file per column of them. After a kill, all of it is done or nothing.

        Raises `StoreError` if a shard was damaged since it was written.
        """
        if self._filling is None:
            return
        try:
            pieces = self._filling.assembled()
        except ValueError as error:
            raise StoreError(
                f"{self.path}: {error}. Run the same command again: it does the tiles of that shard again."
            ) from None
        self._seal(pieces, complete=True)
        self.__dict__.pop("_filling").clear()

    def _seal(self, more: Contents | None = None, **attributes: Any) -> None:
        """Replace some attributes and name more files, at once."""
        assert self._sealed is not None
        seal = self._sealed.seal.changed(attributes, more)
        commit(self.path / ROOT, [seal.raw])
        self._sealed.seal = seal

    def read(self, name: str, place: slice | int = slice(None)) -> NDArray[Any]:
        """Part of one array. Raises `StoreError` if its file is damaged."""
        with damage_told(self.path, self.kind):
            if name in self._given or self._filling is None:
                values = np.asarray(self._arrays[name][place])
            else:
                values = self._filling.read(name, place)
            check_values(name, values, self._columns[name])
            return values

    @property
    def _given(self) -> set[str]:
        """Arrays that are written when the store is made."""
        return {*INDEX_COLUMNS, *self.slide_wide}


def _attributes(path: Path) -> dict[str, Any]:
    """Raises any error if there is no Zarr group."""
    document = json.loads((path / ROOT).read_bytes())
    if document["node_type"] != "group":
        raise ValueError("an array")
    return dict(document["attributes"])
