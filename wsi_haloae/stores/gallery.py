"""Gallery: a few tiles of a slide with pixels and maps, so that a report needs neither the slide nor the model.

    scores.zarr/gallery/
      role      (k,)           uint8    why a tile is here: `GalleryRole`
      number    (k,)           int64    its number in the store's index
      pixels    (k, s, s, 3)   uint8    as the slide shows them
      map       (k, m, m)      float32  its anomaly map
      score     (k,)           float32  its score when the map was made
      attributes                        rule: the name of the one whose map it is

Galleries of older stores lack the last two; their maps show what the auto-encoder does not reconstruct.
It is written beside the store and renamed into it once every tile has a score, so it is either complete or absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from wsi_haloae.atomic import new_tree
from wsi_haloae.config import RULES, MapShows
from wsi_haloae.stores.column_file import create_whole

GALLERY_NAME = "gallery"
MOST_TILES = 256
"""No gallery has more tiles: a file that claims to is damaged."""


class GalleryRole(IntEnum):
    """Why a tile is in the gallery."""

    MOST_ANOMALOUS = 0
    LEAST_ANOMALOUS = 1
    FLAGGED = 2


@dataclass(frozen=True, eq=False)
class Gallery:
    """k tiles, grouped by role, in the order in which they are shown."""

    role: NDArray[np.uint8]  # (k,), values of GalleryRole
    number: NDArray[np.int64]  # (k,)
    pixels: NDArray[np.uint8]  # (k, s, s, 3)
    maps: NDArray[np.float32]  # (k, m, m)
    score: NDArray[np.float32] | None = None  # (k,); None for older stores
    rule: str | None = None

    def __len__(self) -> int:
        return len(self.number)

    def maps_show(self, scores: NDArray[np.float32]) -> MapShows:
        """What its maps show beside ``scores`` (n,), those of all tiles of the store."""
        rule = RULES.get(self.rule or "")
        if self.score is None or rule is None or not rule.map_adds_up:
            return "residual"
        return "score" if np.array_equal(scores[self.number], self.score, equal_nan=True) else "other score"


def write_gallery(store: Path, gallery: Gallery) -> None:
    """Write ``gallery`` into the score store at the path ``store``."""
    arrays: dict[str, NDArray[Any]] = {
        "role": gallery.role,
        "number": gallery.number,
        "pixels": gallery.pixels,
        "map": gallery.maps,
        **({} if gallery.score is None else {"score": gallery.score}),
    }
    with new_tree(store / GALLERY_NAME, beside=store) as partial:  # a store is opened with all that is in it
        group = zarr.create_group(partial, zarr_format=3, attributes={"rule": gallery.rule})
        for name, values in arrays.items():
            create_whole(group, name, values)


def read_gallery(store: zarr.Group, *, tiles: int, tile_size: int) -> Gallery:
    """Read the gallery of a store with this many tiles. Raises `ValueError` if it does not fit the store."""
    group = store.require_group(GALLERY_NAME)
    arrays, rule = dict(group.arrays()), group.attrs.get("rule")
    count, side = arrays["number"].shape[0], arrays["map"].shape[-1]
    layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        "role": ((count,), np.dtype(np.uint8)),
        "number": ((count,), np.dtype(np.int64)),
        "pixels": ((count, tile_size, tile_size, 3), np.dtype(np.uint8)),
        "map": ((count, side, side), np.dtype(np.float32)),
        **({"score": ((count,), np.dtype(np.float32))} if "score" in arrays else {}),
    }
    fits = all((arrays[name].shape, arrays[name].dtype) == known for name, known in layout.items())
    if not (fits and count <= MOST_TILES and 0 < side <= tile_size):
        raise ValueError("its gallery has arrays of the wrong shape or type")
    found = {name: np.asarray(arrays[name][:]) for name in layout}
    role, number, pixels, maps = (found[name] for name in ("role", "number", "pixels", "map"))
    gallery = Gallery(role, number, pixels, maps, found.get("score"), None if rule is None else str(rule))
    numbers = gallery.number
    if not (np.isin(gallery.role, list(GalleryRole)).all() and (numbers >= 0).all() and (numbers < tiles).all()):
        raise ValueError("its gallery shows tiles that the store does not have")
    return gallery
