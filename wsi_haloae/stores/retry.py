"""Begin the tiles of a scored slide again that could not be read; the scores of all others are kept."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from wsi_haloae.atomic import replacing_tree
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.stores.tile_scores import TileScores


def begin_unreadable_again(store: ScoreStore) -> None:
    """Replace a finished store by one in which the shards with unreadable tiles are pending.

    Gallery and adaptation go, because they are made from all tiles. If the process is killed, the old or the new store
    is there, whole.
    """
    plain, header = store.adapted_to(None), store.header
    whole, states = plain.scores(), plain.states()
    reference = None if header.descriptor_size is None else plain.reference()
    with replacing_tree(store.path) as partial:
        slide_wide = plain.thumbnail(), plain.tissue_parts(), plain.reference_scores()
        again = ScoreStore.create(partial, header, plain.index, *slide_wide, reference)
        for shard in range(plain.shards):
            place = plain.shard_slice(shard)
            if (states[place] != TileState.UNREADABLE).all():
                again.write_shard(shard, _part(plain, whole, place), states[place])


def _part(store: ScoreStore, whole: TileScores, place: slice) -> TileScores:
    """The results of some tiles, with their maps."""
    columns = {field.name: getattr(whole, field.name) for field in fields(TileScores)}
    part: dict[str, Any] = {name: None if values is None else values[place] for name, values in columns.items()}
    if store.header.map_size is not None:
        part["anomaly_map"] = store.anomaly_maps(place)
    return TileScores(**part)
