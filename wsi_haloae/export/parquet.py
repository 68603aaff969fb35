"""tiles.parquet: the columns of tiles.csv with their types, for pandas, polars, DuckDB and R.

It is also GeoParquet 1.1 (https://geoparquet.org), which geopandas, QGIS and R's sf read: the last column,
``geometry``, is the outline of each tile in pixels of level 0, y downwards, without a coordinate reference system.
Counts are int32 and scores float32, with nulls where the CSV has empty fields. Words (flags, state, criterion)
are dictionary-encoded, and ``anomalous`` is a boolean. The schema's metadata names slide, model and criterion.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyarrow import parquet

from wsi_haloae.artefacts.flags import column_words, known_bits
from wsi_haloae.atomic import replacing
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.table import COLUMNS
from wsi_haloae.stores.scored_tiles import STATE_WORDS, ScoredTiles

ROW_GROUP = 1 << 14
"""Tiles per row group: the largest number that is held as Arrow arrays at once."""
_GEOMETRY = pa.field("geometry", pa.binary())
_WORD = pa.dictionary(pa.int8(), pa.string())
_TYPES = {
    **dict.fromkeys(("x", "y", "width", "height", "row", "column"), pa.int32()),
    **dict.fromkeys(("tissue_fraction", "score", "score_paper", "p_value"), pa.float32()),
    **dict.fromkeys(("state", "criterion"), _WORD),
    "anomalous": pa.bool_(),
}


def write_tile_parquet(path: Path, source: OpenStore) -> None:
    """Write all tiles, including unreadable ones. Equal tiles give equal bytes with the same version of pyarrow."""
    tiles, selection, header = source.tiles, source.tiles.selection, source.header
    metadata = {
        "slide": header.slide.name,
        "slide_fingerprint": header.slide.fingerprint,
        "model_sha256": header.model.sha256,
        "rule": header.model.rule,
        "criterion": "" if selection is None else selection.words,
        "geo": json.dumps(_geo(tiles)),
    }
    schema = _schema().append(_GEOMETRY).with_metadata(metadata)
    with (
        replacing(path) as partial,
        partial.open("wb") as stream,  # Arrow cannot open a file whose name is not UTF-8
        parquet.ParquetWriter(stream, schema, compression="zstd") as writer,
    ):
        for start in range(0, len(tiles), ROW_GROUP):
            place = slice(start, start + ROW_GROUP)
            batch = record_batch(tiles, place).append_column(_GEOMETRY, _outlines(tiles, place))
            writer.write_batch(batch.replace_schema_metadata(metadata))


def record_batch(tiles: ScoredTiles, place: slice) -> pa.RecordBatch:
    """The tiles of the slice ``place`` as Arrow arrays, with the column order and types of the file."""
    index, selection = tiles.index, tiles.selection
    length = len(tiles.state[place])
    judged = np.zeros(length, np.bool_) if selection is None else selection.judged[place]
    chosen = judged if selection is None else selection.chosen[place]
    title = "" if selection is None else selection.title
    columns = {
        "x": index.location[place, 0],
        "y": index.location[place, 1],
        "width": index.size[place, 0],
        "height": index.size[place, 1],
        "row": index.row[place],
        "column": index.column[place],
        "tissue_fraction": _numbers(index.tissue_fraction[place]),
        "score": _numbers(tiles.score[place]),
        "score_paper": _numbers(tiles.score_paper[place]),
        "p_value": _numbers(tiles.p_value[place]),
        "flags": _words(tiles.flags[place], _flag_words()),
        "state": _words(tiles.state[place], list(STATE_WORDS.values())),
        "anomalous": pa.array(chosen, mask=~judged),
        "criterion": pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int8), mask=~judged), [title]),
    }
    schema = _schema()
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema
    )


def _geo(tiles: ScoredTiles) -> dict[str, Any]:
    """What GeoParquet asks for; ``crs`` null is a plane of its own, not a place on Earth."""
    first, last = tiles.index.location, tiles.index.location + tiles.index.size
    column = {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}
    if len(tiles):
        column["bbox"] = [*first.min(axis=0).tolist(), *last.max(axis=0).tolist()]
    return {"version": "1.1.0", "primary_column": _GEOMETRY.name, "columns": {_GEOMETRY.name: column}}


def _outlines(tiles: ScoredTiles, place: slice) -> pa.Array:
    first = tiles.index.location[place]
    boxes = shapely.box(*first.T, *(first + tiles.index.size[place]).T)
    return pa.array(shapely.to_wkb(boxes, byte_order=1), pa.binary())


def _schema() -> pa.Schema:
    index = pa.from_numpy_dtype(_index_type(_flag_words()))
    types = {**_TYPES, "flags": pa.dictionary(index, pa.string())}
    return pa.schema([(name, types[name]) for name in COLUMNS])


def _flag_words() -> list[str]:
    """The text of the flags column for each combination of bits."""
    return [column_words(bits) for bits in range(known_bits() + 1)]


def _index_type(words: list[str]) -> type[np.signedinteger[Any]]:
    return np.int8 if len(words) <= 128 else np.int16


def _numbers(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def _words(codes: NDArray[np.uint8], words: list[str]) -> pa.Array:
    """Codes (indices into ``words``) as words. Every row group's dictionary has all the words, used or not."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(_index_type(words))), words)
