"""ScoreStore: all results of a model on a slide, enough to make every output again.

scores.zarr/
  row, column, location, size, tissue_fraction     the index (see sharded.py)
  state             (n,)         uint8
  score             (n,)         float32   anomaly score; NaN where the tile was unreadable
  score_paper       (n,)         float32   mean of the squared residual (paper, eq. 4)
  p_value           (n,)         float32   conformal p-value of the score; NaN without calibration
  rules             (n, rules)   float32   the score by each rule that the header names
  layer_residuals   (n, layers)  float32   mean residual per feature layer
  layer_dissimilarities          float32   mean 1 - SSIM per feature layer, (n, layers); NaN where no rule needs it
  artefacts         (n, flags)   float32   the measured quantities of the flags, in the order of `artefacts.flags.FLAGS`
  flags             (n,)         uint8     bits of that table
  tissue_cells      (n,)         int32     cells of the map that count as tissue
  anomaly_map       (n, m, m)    float32   with --maps: the map of each tile, of the column score, before any adaptation
  thumbnail         (h, w, 3)    uint8     for the pictures
  tissue_mask       (h, w)       uint8     what each pixel is, values of `tissue.parts.Part`; bool in older stores
  reference_scores  (k,)         float32   quantiles of held-out reference tiles' scores; empty without calibration
  descriptor        (n, k)       float16   with the model's descriptors: what the features of each tile are like
  reference/, adapted/                     scores adapted to the slide (see adaptation.py)
  gallery/                                 pixels and maps of a few tiles (see gallery.py); made when all are scored

The score, p-value and reference scores that are shown are the adapted ones, if there are any: `read` returns them, and
`shown` their scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec

from wsi_haloae.adaptation.adapt import Adapted, Asked, adapt
from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.atomic import remove
from wsi_haloae.config import DESCRIPTOR, MapShows, ScoringConfig, rule_words
from wsi_haloae.stores.adaptation import (
    ADAPTED,
    ADAPTED_NAME,
    AdaptedScores,
    adapted_scores,
    read_adapted,
    read_reference,
    write_adapted,
    write_reference,
)
from wsi_haloae.stores.column_file import create_column, create_whole
from wsi_haloae.stores.damage import damage_told
from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.gallery import GALLERY_NAME, Gallery, read_gallery, write_gallery
from wsi_haloae.stores.layout import Column
from wsi_haloae.stores.positions import tile_positions
from wsi_haloae.stores.score_header import ScoreHeader
from wsi_haloae.stores.seal import ROOT, damage_below, pieces_below
from wsi_haloae.stores.sealed_store import open_sealed
from wsi_haloae.stores.sharded import ShardedStore, TileIndex, TileState
from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.stores.tile_scores import TileScores
from wsi_haloae.tissue.parts import Part

STORE_NAME = "scores.zarr"


_OPTIONAL = frozenset({"anomaly_map", "descriptor"})
_COLUMNS = tuple(field.name for field in fields(TileScores) if field.name not in _OPTIONAL)


class ScoreStore(ShardedStore):
    """Scores of one slide, on disk."""

    kind: ClassVar[str] = "wsi-haloae score store"
    format_version: ClassVar[int] = 4
    header_type: ClassVar[type[StoreHeader]] = ScoreHeader
    slide_wide: ClassVar[frozenset[str]] = frozenset({"thumbnail", "tissue_mask", "reference_scores"})
    large: ClassVar[frozenset[str]] = frozenset({"anomaly_map"})
    header: ScoreHeader

    @classmethod
    def create(
        cls,
        path: Path,
        header: ScoreHeader,
        index: TileIndex,
        thumbnail: NDArray[np.uint8],
        tissue_parts: NDArray[np.uint8],
        reference_scores: NDArray[np.float32] | None = None,
        reference: ReferenceDescriptors | None = None,
    ) -> ScoreStore:
        """A new store with every tile pending.

        ``reference_scores`` (k,) are None for a model without calibration, ``reference`` for one without descriptors.
        """
        length = len(index)
        with cls._making(path, header, index) as group:
            for name in ("score", "score_paper", "p_value"):
                create_column(group, name, length, np.float32, fill=np.nan)
            for name, width in _wide_columns(header).items():
                create_column(group, name, length, np.float32, width=width, fill=np.nan)
            create_column(group, "flags", length, np.uint8)
            create_column(group, "tissue_cells", length, np.int32)
            if header.map_size is not None:
                side = header.map_size
                group.create_array(
                    "anomaly_map",
                    shape=(length, side, side),
                    chunks=(1, side, side),
                    shards=(SHARD_TILES, side, side),
                    dtype=np.float32,
                    fill_value=np.nan,
                    compressors=(ZstdCodec(), Crc32cCodec()),
                )
            if reference is not None:
                create_column(group, "descriptor", length, np.float16, width=reference.dimensions, fill=np.nan)
                write_reference(group, reference)
            create_whole(group, "thumbnail", thumbnail)
            create_whole(group, "tissue_mask", tissue_parts.astype(np.uint8))
            create_whole(
                group, "reference_scores", np.empty(0, np.float32) if reference_scores is None else reference_scores
            )
        return cls.open(path)

    def columns(self) -> dict[str, Column]:
        """The columns of the index and of the results, and the arrays of the slide as a whole."""
        side, size = self.header.map_size, self.header.descriptor_size
        return {
            **super().columns(),
            "score": Column(np.float32),
            "score_paper": Column(np.float32),
            "p_value": Column(np.float32, least=0, most=1, unknown=True),
            **{name: Column(np.float32, (width,)) for name, width in _wide_columns(self.header).items()},
            "artefacts": Column(np.float32, (None,)),  # a store of another version may know fewer flags, or more
            "flags": Column(np.uint8),
            "tissue_cells": Column(np.int32, least=0),
            **({} if side is None else {"anomaly_map": Column(np.float32, (side, side))}),
            **({} if size is None else {"descriptor": Column(np.float16, (size,))}),
            "thumbnail": Column(np.uint8, (None, 3)),
            "tissue_mask": Column(np.uint8, (None,), 0, max(Part), older=np.bool_),
            "reference_scores": Column(np.float32),
        }

    def write_shard(
        self, shard: int, scores: TileScores, states: NDArray[np.uint8], reasons: Sequence[str] = ()
    ) -> None:
        """Write one shard: its results, states, and the reasons for unreadable tiles ("" for the others)."""
        rows = {field.name: getattr(scores, field.name) for field in fields(scores)}
        self._write_shard(shard, {name: rows[name] for name in rows.keys() & self._columns.keys()}, states, reasons)

    def lower_batch_size(self, batch_size: int) -> None:
        """After an out-of-memory error: compute the pending tiles in smaller batches."""
        compute = self.header.compute
        first = compute.lowered_from or compute.batch_size
        self._change_header(compute=compute.model_copy(update={"batch_size": batch_size, "lowered_from": first}))

    def learn(self, header: ScoreHeader) -> None:
        """Take over what ``header`` knows about the slide's patient, if it is more (`ScoreHeader.learns`).

        A store that an older version began also takes over the range of the maps that its gallery will have.
        """
        if not self.finished and self.header.model != header.model:
            self._change_header(model=header.model)
        if self.header.learns(header):
            self._change_header(trained_on=header.trained_on)

    def _change_header(self, **changes: Any) -> None:
        self.header = self.header.model_copy(update=changes)
        header = self.header.model_dump(mode="json")
        if self._sealed is None:
            self._group.attrs["header"] = header
        else:
            self._seal(header=header)

    def scores(self) -> TileScores:
        """The results of all tiles, without the anomaly maps."""
        return TileScores(
            **{name: self.read(name) for name in _COLUMNS}, anomaly_map=None, descriptor=self.descriptors()
        )

    def descriptors(self) -> NDArray[np.float16] | None:
        """The descriptors of all tiles, (n, k); None for a model without."""
        return None if self.header.descriptor_size is None else self.read("descriptor")

    def read(self, name: str, place: slice | int = slice(None)) -> NDArray[Any]:
        """Part of one array, after adaptation. Raises `StoreError` if its file is damaged."""
        if name in ADAPTED and self.adapted is not None:
            return self.adapted.arrays[name][place]
        return super().read(name, place)

    @cached_property
    def adapted(self) -> AdaptedScores | None:
        """The scores after the last adaptation; None if they were never adapted. Raises `StoreError` if damaged."""
        with damage_told(self.path, self.kind):
            return read_adapted(self.path, len(self), sealed=self._sealed is not None)

    @property
    def shown(self) -> ScoreHeader:
        """The header with the rule, scale and calibration of the scores that are shown."""
        if self.adapted is None:
            return self.header
        record, model = self.adapted.record, self.header.model
        of_these_maps = model.map_range if model.rule_name == DESCRIPTOR else None  # else it is that of other maps
        news = {
            "rule": f"{rule_words(ScoringConfig(rule=DESCRIPTOR))}, {record.words}",
            "rule_name": DESCRIPTOR,
            "display_range": record.display_range,
            "map_range": of_these_maps and tuple(end * record.widening for end in of_these_maps),
            "calibration": record.calibration,
        }
        return self.header.model_copy(update={"model": model.model_copy(update=news)})

    @property
    def radius(self) -> float | None:
        """Each score is the median of the tiles within so many µm; None: it is the tile's own."""
        return None if self.adapted is None else self.adapted.record.radius

    def positions(self) -> NDArray[np.float32]:
        """Where the tiles lie, (n, 3), as `wsi_haloae.adaptation.neighbourhood` has it."""
        return tile_positions(self.header, self.index)

    def adapt(
        self, asked: Asked = "auto", anchors: NDArray[np.int64] | None = None, radius: float | None = None
    ) -> Adapted:
        """Adapt the scores to the slide, in place of an earlier adaptation, and return them. Raises as `adaptation`."""
        adapted, kept = self._adaptation(asked, anchors, radius)
        self.keep(kept)
        return adapted

    def adaptation(
        self, asked: Asked, anchors: NDArray[np.int64] | None = None, radius: float | None = None
    ) -> AdaptedScores:
        """The same; nothing is written. Raises `UsageError` if it cannot be done, `StoreError` for a damaged store."""
        return self._adaptation(asked, anchors, radius)[1]

    def _adaptation(
        self, asked: Asked, anchors: NDArray[np.int64] | None, radius: float | None
    ) -> tuple[Adapted, AdaptedScores]:
        marked = np.empty(0, np.int64) if anchors is None else anchors
        with damage_told(self.path, self.kind):
            descriptors = self.descriptors()
            assert descriptors is not None, "asked for only where there are descriptors"
            done, positions = self.states() == TileState.DONE, self.positions()
            adapted = adapt(
                self.reference(), descriptors, done, asked, marked,
                radius=radius, positions=positions, holds_reference=self.header.holds_reference,
            )  # fmt: skip
            return adapted, adapted_scores(adapted, asked, marked)

    def keep(self, adapted: AdaptedScores) -> None:
        """Write these scores, in place of those of an earlier adaptation."""
        write_adapted(self.path, adapted)
        self.__dict__.pop("adapted", None)

    def forget_adaptation(self) -> None:
        """Go back to the scores that the store was made with."""
        remove(self.path / ADAPTED_NAME)
        self.__dict__.pop("adapted", None)

    def adapted_to(self, adapted: AdaptedScores | None) -> Self:
        """The same store as if its scores had been adapted in this way, or (None) never; nothing is written."""
        same = copy(self)
        same.__dict__["adapted"] = adapted
        return same

    def reference(self) -> ReferenceDescriptors:
        """What descriptors are compared with. Raises `StoreError` if it is damaged."""
        with damage_told(self.path, self.kind):
            return read_reference(self._group)

    def damage(self) -> list[str] | None:
        """The same, with the adapted scores."""
        found, adapted = super().damage(), self.path / ADAPTED_NAME
        if found is None or not adapted.is_dir():
            return found
        try:
            return [
                *found,
                *damage_below(adapted, open_sealed(adapted, name=f"{ADAPTED_NAME}/")[1].seal, f"{ADAPTED_NAME}/"),
            ]
        except ValueError as error:
            return [*found, str(error)]

    @property
    def kept_maps_show(self) -> MapShows:
        """What the kept maps show beside the scores that are shown now."""
        if not self.header.map_adds_up:
            return "residual"
        record = None if self.adapted is None else self.adapted.record
        as_made = record is None or (record.plain and self.header.model.rule_name == DESCRIPTOR)
        return "score" if as_made else "unadapted score"

    def anomaly_map(self, number: int) -> NDArray[np.float32]:
        """The kept anomaly map (m, m) of one tile."""
        return self.read("anomaly_map", number)

    def anomaly_maps(self, place: slice) -> NDArray[np.float32]:
        """The kept anomaly maps (k, m, m) of consecutive tiles."""
        return self.read("anomaly_map", place)

    def thumbnail(self) -> NDArray[np.uint8]:
        """The whole slide as a small picture, (h, w, 3)."""
        return self.read("thumbnail")

    def tissue_parts(self) -> NDArray[np.uint8]:
        """What each pixel of the thumbnail is, values of `Part`, (h, w). Older stores know tissue only."""
        return self.read("tissue_mask").astype(np.uint8)

    def reference_scores(self) -> NDArray[np.float32]:
        """Equally spaced quantiles of held-out reference tiles' scores, ascending, (k,); (0,) without calibration."""
        return self.read("reference_scores")

    @property
    def finished(self) -> bool:
        """Whether scoring is complete: all shards and the gallery are written."""
        return super().finished and self._has_gallery

    @property
    def _has_gallery(self) -> bool:
        if self._sealed is None:
            return (self.path / GALLERY_NAME).is_dir()
        return f"{GALLERY_NAME}/{ROOT}" in self._sealed.seal.contents

    def write_gallery(self, gallery: Gallery) -> None:
        """Write the gallery, the last step of scoring. It belongs to the store whole or not at all."""
        remove(self.path / GALLERY_NAME)  # of a run that was killed before it belonged
        write_gallery(self.path, gallery)
        self._seal(pieces_below(self.path / GALLERY_NAME, f"{GALLERY_NAME}/"))

    def gallery(self) -> Gallery | None:
        """The gallery; None if scoring has not written it yet. Raises `StoreError` if it is damaged."""
        if not self._has_gallery:
            return None
        with damage_told(self.path, self.kind):
            return read_gallery(self._group, tiles=len(self), tile_size=self.header.grid.tile_size)


def _wide_columns(header: ScoreHeader) -> dict[str, int]:
    layers = len(header.layers)
    return {
        "rules": len(header.rules),
        "layer_residuals": layers,
        "layer_dissimilarities": layers,
        "artefacts": len(FLAGS),
    }
