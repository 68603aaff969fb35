"""Marking reference tissue: scores adapted to the tiles that a person marks, in memory first, on disk when saved.

Tiles are named by their places in the grid, [row, column], as everywhere in the page.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import Asked, adapt
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.config import DESCRIPTOR
from wsi_haloae.errors import UsageError
from wsi_haloae.export.anchor_geojson import ANCHORS_NAME, write_anchor_geojson
from wsi_haloae.export.begun import BegunExport, forget_begun, why_mixed
from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.quoting import command_line
from wsi_haloae.scoring.adapt_slide import marked_tiles
from wsi_haloae.stores.adaptation import adapted_scores
from wsi_haloae.stores.damage import damage_told
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.viewer.catalogue import ScoredFolder
from wsi_haloae.workspace.lock import locked

MOST_MARKS: Final = 10_000
"""A few tiles suffice; so many are a brushed area."""


def why_no_marking(store: ScoreStore) -> str | None:
    """Why tiles of this slide cannot be marked, as a sentence; None if they can."""
    if store.header.descriptor_size is None:
        return (
            "Reference tissue cannot be marked: the slide was scored by a model without descriptors of tiles. Train "
            "the model again with this version, and score the slide again."
        )
    if store.pending_shards():
        return "Reference tissue can be marked once all tiles are scored."
    return None


class Marking:
    """A slide's marks, and its descriptors, kept in memory from the first preview on: 19 MB for 75,000 tiles.

    Raises `UsageError` if the slide's tiles cannot be marked.
    """

    def __init__(self, scored: ScoredFolder, store: ScoreStore) -> None:
        reason = why_no_marking(store)
        if reason is not None:
            raise UsageError(f"{scored.name}: {reason}")
        self._scored, self._store = scored, store
        self._done = store.states() == TileState.DONE
        self._places = store.index.row * grid_of(store.header).columns + store.index.column  # ascending

    def numbers(self, places: object) -> NDArray[np.int64]:
        """Numbers of the scored tiles at these places, ascending. Raises `UsageError` for anything else."""
        if not isinstance(places, list):
            raise UsageError("A list of places, [row, column], is needed.")
        if len(places) > MOST_MARKS:
            raise UsageError(f"{len(places):,} tiles are marked; at most {MOST_MARKS:,} can be. A few are enough.")
        grid = grid_of(self._store.header)
        for place in places:
            if not (isinstance(place, list) and len(place) == 2 and all(type(part) is int for part in place)):
                raise UsageError("Each place must be [row, column], two whole numbers.")
            if not (0 <= place[0] < grid.rows and 0 <= place[1] < grid.columns):
                raise UsageError(f"Row {place[0]}, column {place[1]}: this place is outside the grid.")
        asked = np.unique(np.array(places, np.int64).reshape(-1, 2) @ [grid.columns, 1])
        numbers: NDArray[np.int64] = np.searchsorted(self._places, asked)
        if len(self._places):
            inside = np.minimum(numbers, len(self._places) - 1)
            if ((self._places[inside] == asked) & self._done[inside]).all():
                return inside
        raise UsageError("At one of these places there is no scored tile.")

    def places(self, numbers: NDArray[np.int64]) -> list[list[int]]:
        """The places of tiles, in reading order."""
        index = self._store.index
        found: list[list[int]] = np.stack([index.row[numbers], index.column[numbers]], axis=1).tolist()
        return found

    def preview(self, numbers: NDArray[np.int64]) -> ScoreStore:
        """The store with its scores adapted to these tiles, or, without any, as `score` does. Nothing is written."""
        asked = _asked(self._store, numbers)
        if asked is None:
            return self._store.adapted_to(None)
        with damage_told(self._store.path, self._store.kind):
            adapted = adapt(
                self._reference, self._descriptors, self._done, asked, numbers,
                radius=self._store.radius, positions=self._store.positions(),
                holds_reference=self._store.header.holds_reference,
            )  # fmt: skip
        return self._store.adapted_to(adapted_scores(adapted, asked, numbers))

    def saved(self) -> NDArray[np.int64]:
        """Numbers of the tiles that `anchors.geojson` marks; without it, of those that gave the slide's level.

        Raises `AnnotationError` for a file that cannot be used.
        """
        path = self._scored.file(ANCHORS_NAME)
        if path is None:
            return self.adapted_by()
        return self._scored_of(marked_tiles(path, self._store.header.slide, self._store.index))

    def adapted_by(self) -> NDArray[np.int64]:
        """Numbers of the marked tiles to which the store's scores are adapted; none for another adaptation."""
        adapted = self._store.adapted
        return self._scored_of(np.array(() if adapted is None else adapted.record.anchors, np.int64))

    def save(self, numbers: NDArray[np.int64]) -> None:
        """Write `anchors.geojson` and adapt the scores on disk to it; without tiles, remove it and do as `score` does.

        Raises `OutputExistsError` while another run writes to the slide's folder.
        """
        path = self._scored.folder / ANCHORS_NAME
        with locked(self._scored.folder):
            store = ScoreStore.open(self._scored.store)
            if store.header.identity() != self._store.header.identity():
                raise UsageError(f"{self._scored.name}: the slide has been scored again. Reload the page.")
            begun = BegunExport.read(self._scored.folder)
            if begun is not None and begun.formats:
                raise UsageError(f"{self._scored.name}: {why_mixed(self._scored.folder)}")
            if len(numbers):
                write_anchor_geojson(path, store.header, store.index, numbers)
                numbers = marked_tiles(path, store.header.slide, store.index)
            else:
                path.unlink(missing_ok=True)
            asked = _asked(store, numbers)
            if asked is None:
                store.forget_adaptation()
                forget_begun(self._scored.folder)  # of an interrupted save
                return
            adapted = store.adaptation(asked, numbers, store.radius)
            begun = BegunExport(adapt=asked, anchors=tuple(numbers.tolist()), radius=store.radius)
            with begun.noted(self._scored.folder):
                store.keep(adapted)

    @cached_property
    def _descriptors(self) -> NDArray[np.float16]:
        descriptors = self._store.descriptors()
        assert descriptors is not None, "else there is no marking"
        return descriptors

    @cached_property
    def _reference(self) -> ReferenceDescriptors:
        return self._store.reference()

    def _scored_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        scored: NDArray[np.int64] = numbers[self._done[numbers]]
        return scored


def _asked(store: ScoreStore, numbers: NDArray[np.int64]) -> Asked | None:
    """How scores are adapted with these marks; None, without any, for a model whose own rule does not adapt.

    Scores that are smoothed stay so, which needs some adaptation.
    """
    if len(numbers):
        return "anchors"
    return "auto" if store.header.model.rule_name == DESCRIPTOR or store.radius else None


def export_command(scored: ScoredFolder) -> str:
    """The command that writes reports, tables and the list of slides again."""
    return command_line(["wsi-haloae", "export", str(scored.root)])
