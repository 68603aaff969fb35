"""What tile stores and score stores share: an index of tiles, and work done shard by shard.

A store is a Zarr v3 group on disk. It is created under a temporary name and renamed, so a store
that exists has its whole index. Work is committed per shard of `SHARD_TILES` tiles: first the
payload, then, as one atomic write, the states of its tiles. A shard whose states are pending
is done again after a crash, and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from wsi_haloae.atomic import new_tree
from wsi_haloae.errors import OutputExistsError, StoreError, WsiHaloaeError
from wsi_haloae.stores.grid_count import count_places
from wsi_haloae.stores.layout import Column, check_layout, check_values
from wsi_haloae.stores.made_from import differing
from wsi_haloae.stores.places import zarr_place

SHARD_TILES = 64
"""Tiles per shard: 12 MiB of 256-pixel tiles, the most work that a crash repeats per worker."""
MOST_TILES = 1 << 26
"""70,000 x 70,000 pixels at a stride of 9. A file that claims more is damaged, and would fill the memory."""
MOST_PIXELS = 1 << 28
REASON_BYTES = 240
"""Space for the reason why a tile could not be read, in UTF-8. Longer reasons are cut."""


class TileState(IntEnum):
    """The state of a tile."""

    PENDING = 0
    DONE = 1
    UNREADABLE = 2


class SlideRecord(BaseModel):
    """The facts about a slide that outputs need; lengths in pixels of level 0, mpp in µm."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    vendor: str
    width: int
    height: int
    mpp_x: float
    mpp_y: float
    objective_power: float | None
    bounds: tuple[int, int, int, int] | None  # x, y, width, height
    background: tuple[int, int, int]
    fingerprint: str


class GridRecord(BaseModel):
    """The fields of a TileGrid: sizes in pixels of level 0 or of the tile, scales in level-0 pixels per tile pixel."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slide_width: PositiveInt
    slide_height: PositiveInt
    tile_size: PositiveInt
    stride: PositiveInt
    l0_scale_x: float = Field(gt=0)
    l0_scale_y: float = Field(gt=0)


class StoreHeader(BaseModel):
    """The attributes of a store."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slide: SlideRecord
    grid: GridRecord
    read_plan: dict[str, int | float]
    tissue: dict[str, Any]

    def identity(self) -> dict[str, Any]:
        """The part of the header that must be equal for a rerun to continue a store."""
        return self.model_dump(mode="json")


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
    """Raised whenever the layout changes; a store of any other version is refused."""
    header_type: ClassVar[type[StoreHeader]]
    slide_wide: ClassVar[frozenset[str]] = frozenset()
    """Arrays that belong to the slide as a whole, and have no entry per tile."""

    def __init__(self, path: Path, group: zarr.Group, header: StoreHeader) -> None:
        self.path = path
        self.header = header
        self._group = group
        self._arrays = dict(group.arrays())
        self._columns = self.columns()
        check_layout(self._arrays, self._columns)
        self._require_lengths()
        self.index = TileIndex(**{field.name: self.read(field.name) for field in fields(TileIndex)})

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store at a path or `places.place`. Raises `StoreError` for anything but a store of this version."""
        try:
            group = zarr.open_group(**zarr_place(path), zarr_format=3)
            attributes = dict(group.attrs)
        except StoreError:  # it holds links
            raise
        except Exception:  # noqa: BLE001  # nothing there, something else, or a zarr.json with any content
            raise StoreError(f"{path}: there is no {cls.kind} here that can be opened.") from None
        if attributes.get("kind") != cls.kind:
            raise StoreError(f"{path}: this is not a {cls.kind} (kind: {attributes.get('kind')!r}).")
        version = attributes.get("format_version")
        if version != cls.format_version:
            raise StoreError(
                f"{path}: format version {version!r}, but this wsi-haloae reads version {cls.format_version}. "
                "Use the version of wsi-haloae that wrote it, or make it again with --overwrite."
            )
        with damage_told(path, cls.kind):
            store = cls(path, group, cls.header_type.model_validate(attributes["header"]))
            store.check()
            return store

    @classmethod
    @contextmanager
    def _making(cls, path: Path, header: StoreHeader, index: TileIndex) -> Iterator[zarr.Group]:
        """A new group with header, index and pending states. It appears at ``path`` once the caller is done."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_tree(path) as partial:
            group = zarr.create_group(partial, zarr_format=3)
            group.attrs.update(
                {"kind": cls.kind, "format_version": cls.format_version, "header": header.model_dump(mode="json")}
            )
            for field in fields(TileIndex):
                values = getattr(index, field.name)
                group.create_array(field.name, data=values, chunks=(max(1, len(values)), *values.shape[1:]))
            create_column(group, "state", len(index), np.uint8, fill=TileState.PENDING)
            create_column(group, "reason", len(index), np.uint8, width=REASON_BYTES)
            yield group

    def columns(self) -> dict[str, Column]:
        """What each array must be; a kind of store adds its own."""
        return {**INDEX_COLUMNS, "state": STATE_COLUMN, "reason": Column(np.uint8, (REASON_BYTES,))}

    def check(self) -> None:
        """Raise `ValueError` for an index that no tiler can have made. Later code trusts the index."""
        index, grid = self.index, self.header.grid
        rows = grid.slide_height / (grid.stride * grid.l0_scale_y) + 2  # at most one more than there are
        columns = grid.slide_width / (grid.stride * grid.l0_scale_x) + 2
        if rows * columns > MOST_TILES:
            raise ValueError(f"its grid has {rows:.3g} x {columns:.3g} tiles, more than {MOST_TILES:,}")
        if not len(index):
            return
        rows = count_places(grid.slide_height, grid.tile_size, grid.stride, grid.l0_scale_y)
        columns = count_places(grid.slide_width, grid.tile_size, grid.stride, grid.l0_scale_x)
        ends = (index.location + index.size <= [grid.slide_width, grid.slide_height]).all()
        starts = min(index.location.min(), index.row.min(), index.column.min()) >= 0 and index.size.min() > 0
        if not (starts and ends and index.row.max() < rows and index.column.max() < columns):
            raise ValueError("tiles lie outside the slide")
        if not (np.diff(index.row * columns + index.column) > 0).all():
            raise ValueError("tiles are not in reading order")

    def _require_lengths(self) -> None:
        """Raise `ValueError`, before reading, unless all arrays with an entry per tile have the same length."""
        lengths = {name: array.shape[0] for name, array in self._arrays.items() if name not in self.slide_wide}
        if len(set(lengths.values())) != 1 or not 0 <= lengths["row"] <= MOST_TILES:
            raise ValueError(f"its arrays have different or impossible lengths: {lengths}")
        if any(self._arrays[name].size > MOST_PIXELS for name in self.slide_wide):
            raise ValueError("one of its arrays is too large")

    def require_same(self, header: StoreHeader, index: TileIndex | None = None) -> None:
        """Raise `OutputExistsError` unless this store was made with the same ``header`` and ``index``.

        The index is compared because the header does not contain the drawn region that chose the tiles.
        """
        others = differing(self.header.identity(), header.identity())
        if not others and index is not None and not np.array_equal(self.index.location, index.location):
            others = ["chosen tiles (of another region or class)"]
        if others:
            raise OutputExistsError(
                f"{self.path}: this {self.kind} was made from other inputs or settings (differs in: "
                f"{', '.join(others[:5])}). Give the options that it was made with, choose another output folder, or "
                "pass --overwrite to replace it."
            )

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

    def pending_shards(self) -> list[int]:
        """Shards that are not committed yet, in order."""
        states = self.states()
        return [i for i in range(self.shards) if (states[self.shard_slice(i)] == TileState.PENDING).any()]

    def remove_leftovers(self) -> None:
        """Remove what a killed write left. Only for the one process that writes the store."""
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)

    def reasons(self, shard: int) -> tuple[str, ...]:
        """Why each tile of a shard could not be read; "" for one that could."""
        return tuple(_as_text(line) for line in self.read("reason", self.shard_slice(shard)))

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
                _as_text(reasons[number - first]),
            )
            for number in numbers.tolist()
        ]

    def _commit(self, shard: int, states: NDArray[np.uint8], reasons: Sequence[str]) -> None:
        """Make a shard count as done; its payload must have been written before."""
        assert not (states == TileState.PENDING).any()
        if any(reasons):  # elsewhere the column stays unwritten, and takes no room
            self._write("reason", shard, np.stack([_as_bytes(reason) for reason in reasons]))
        self._write("state", shard, states)

    def read(self, name: str, place: slice | int = slice(None)) -> NDArray[Any]:
        """Part of one array. Raises `StoreError` if its file is damaged."""
        with damage_told(self.path, self.kind):
            values = np.asarray(self._arrays[name][place])
            check_values(name, values, self._columns[name])
            return values

    def _write(self, name: str, shard: int, values: NDArray[Any]) -> None:
        self._arrays[name][self.shard_slice(shard)] = values


@contextmanager
def damage_told(path: Path, kind: str) -> Iterator[None]:
    """Turn any error that zarr and its codecs raise for a damaged file into a `StoreError`."""
    try:
        yield
    except (WsiHaloaeError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # codecs raise errors of any type
        raise StoreError(f"{path}: this {kind} is damaged ({error}). Make it again: --overwrite.") from None


def create_column(
    group: zarr.Group, name: str, length: int, dtype: type, *, width: int | None = None, fill: float = 0
) -> None:
    """An array with one entry per tile, one chunk (so one atomic write) per shard."""
    tail = () if width is None else (width,)
    group.create_array(name, shape=(length, *tail), chunks=(SHARD_TILES, *tail), dtype=dtype, fill_value=fill)


def _as_bytes(reason: str) -> NDArray[np.uint8]:
    text = reason.encode()[:REASON_BYTES]
    return np.frombuffer(text.ljust(REASON_BYTES, b"\0"), np.uint8)


def _as_text(line: NDArray[np.uint8]) -> str:
    return line.tobytes().rstrip(b"\0").decode(errors="ignore")  # a cut may go through a letter
