"""tiles.h5ad: the tiles as AnnData, for scanpy, squidpy, LazySlide and other single-cell analysis tools.

    obs                 one row per tile, named row_column, with the columns of tiles.csv; ``tile_id`` counts the tiles,
                        ``library_id`` is the slide's name, by which squidpy tells slides apart once they are joined
    X                   (n, k) float32, the descriptors: what the features of each tile are like; to cluster tiles by.
                        (n, 0) for a model without descriptors
    obsm["rules"]       (n, rules) float32, the scores by every rule of the store, before adaptation; their names are in
                        uns["rules"]
    obsm["spatial"]     (n, 2) float64, *centres* of the tiles in pixels of level 0, as squidpy draws them. LazySlide's
                        are the top left corners, which are obs["x"] and obs["y"]
    uns["spatial"]      thumbnail of the slide, its scale and the width of a tile, as squidpy and scanpy look for them
    uns["tile_spec"]    size and stride of the tiles, as LazySlide keeps them
    uns["spatialdata_attrs"]
                        says that row ``tile_id`` belongs to that tile of the shapes "tiles": those of tiles.parquet
    obsm["layer_residuals"], obsm["layer_dissimilarities"]
                        (n, layers) float32, the inputs of the rules, NaN where none needed it; uns["layers"] has the
                        names of the layers
    uns                 slide, model, and the criterion by which tiles are called anomalous

No variable has the name of a column of obs: scanpy and squidpy refuse to colour by a name that is both.

Tiles without a score have NaN. This module needs the extra "anndata" and is imported for this format only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray

from wsi_haloae.atomic import replacing
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.parquet import record_batch
from wsi_haloae.export.tile_spec import tile_spec
from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.quoting import printable
from wsi_haloae.stores.sharded import TileState

_REGION = "tiles"


def write_anndata(path: Path, source: OpenStore) -> None:
    """Write every tile, with the scores of all rules."""
    tiles, index, header, scores = source.tiles, source.tiles.index, source.header, source.store.scores()
    descriptors = np.empty((len(tiles), 0), np.float16) if scores.descriptor is None else scores.descriptor
    library = printable(header.slide.name)
    unscored = (tiles.state != TileState.DONE)[:, np.newaxis]
    obs = record_batch(tiles, slice(None)).to_pandas()
    obs["anomalous"] = obs["anomalous"].map({True: "yes", False: "no"}).astype("category")  # HDF5 has no null
    obs["tile_id"], obs["library_id"] = np.arange(len(tiles)), library
    obs["region"] = _REGION
    obs = obs.astype({"library_id": "category", "region": "category"})
    obs.index = [f"{row}_{column}" for row, column in zip(index.row.tolist(), index.column.tolist(), strict=True)]
    table = anndata.AnnData(
        X=_known(descriptors.astype(np.float32), unscored),
        obs=obs,
        obsm={
            "rules": _known(np.column_stack([tiles.score_paper, scores.rules]), unscored),
            "spatial": index.location + index.size / 2,
            "layer_residuals": _known(scores.layer_residuals, unscored),
            "layer_dissimilarities": _known(scores.layer_dissimilarities, unscored),
        },
        uns={
            "layers": np.array(header.layers),
            "rules": np.array(["paper", *header.rules]),
            "slide": header.slide.model_dump(mode="json", include={"name", "fingerprint", "width", "height"})
            | {"mpp": [header.slide.mpp_x, header.slide.mpp_y]},
            "model": header.model.model_dump(mode="json", include={"sha256", "rule", "mpp", "display_range"}),
            "spatial": {library: _picture(source)},
            "tile_spec": tile_spec(header),
            "spatialdata_attrs": {"region": _REGION, "region_key": "region", "instance_key": "tile_id"},
            "criterion": "" if tiles.selection is None else tiles.selection.words,
        },
    )
    table.var_names = [f"descriptor_{number}" for number in range(descriptors.shape[1])]
    with replacing(path) as partial:
        table.write_h5ad(partial, compression="gzip")


def _picture(source: OpenStore) -> dict[str, Any]:
    """The slide as squidpy knows it: ``hires`` is a picture of it, and a tile is a *spot*."""
    slide, grid, picture = source.header.slide, grid_of(source.header), source.thumbnail
    scale = picture.shape[1] / slide.width
    return {
        "images": {"hires": picture},
        "scalefactors": {"tissue_hires_scalef": scale, "spot_diameter_fullres": float(grid.l0_tile_width)},
    }


def _known(values: NDArray[np.float32], unscored: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values (n, k), with NaN for unscored tiles: a killed run may have left incomplete values for them."""
    return np.where(unscored, np.float32(np.nan), values)
