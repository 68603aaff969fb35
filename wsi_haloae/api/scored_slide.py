"""A scored slide: its tiles as a table, its heatmap as an array with coordinates in micrometres."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from numpy.typing import NDArray

from wsi_haloae.adaptation.adapt import Asked
from wsi_haloae.errors import StoreError
from wsi_haloae.export.blend import blended
from wsi_haloae.export.parquet import record_batch
from wsi_haloae.figures.slide_frame import INK, enlarged_or_reduced
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.heatmap.pixel_map import assemble_map
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.adapt_slide import adapt_slide, require_adaptable
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState

UM_PER_MM = 1000


class ScoredSlide:
    """The results of one slide, read from the folder ``OUT/<slide>/`` that `score` wrote.

    Parameters
    ----------
    folder
        The slide's folder, which holds its score store.

    Raises
    ------
    StoreError
        If the folder has no score store, or a damaged one.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ScoreStore.open(folder / STORE_NAME)

    @cached_property
    def tiles(self) -> ScoredTiles:
        """All tiles as arrays, in reading order; scores are NaN for tiles without a score."""
        return ScoredTiles.read(self.store)

    def table(self) -> pd.DataFrame:
        """All tiles as a table.

        Returns
        -------
        pandas.DataFrame
            One row per tile in reading order. It has the columns of ``tiles.parquet``, and a column ``rule_<name>``
            with the score by each of the other rules of its store (more with ``all_rules`` of `score`). Tiles without a
            score have NaN.

        """
        rules = np.where(self.tiles.state[:, np.newaxis] == TileState.DONE, self.store.read("rules"), np.nan)
        table: pd.DataFrame = record_batch(self.tiles, slice(None)).to_pandas()
        names = [f"rule_{name}" for name in self.store.header.rules]
        return table.join(pd.DataFrame(rules, columns=names))

    def heatmap(self, column: Literal["score", "score_paper"] = "score") -> xr.DataArray:
        """The scores as an array over the slide.

        Parameters
        ----------
        column
            ``score``, or ``score_paper`` for the paper's own score.

        Returns
        -------
        xarray.DataArray
            float32, dimensions (y, x), one cell per place of the tile grid. The coordinates are the centres of the
            cells in micrometres from the slide's top left corner. Cells without a score are NaN.

        """
        heatmap = assemble_heatmap(self.store, column)
        corner = heatmap.l0_offset_y, heatmap.l0_offset_x
        return self._array(heatmap.values, column, corner, (heatmap.l0_cell_height, heatmap.l0_cell_width))

    def adapt(
        self, how: Asked | None = None, anchors: str | Path | None = None, smooth: float | None = None
    ) -> ScoredSlide:
        """Adapt the scores to the slide anew, as ``wsi-haloae export`` does; takes seconds.

        The store keeps the new scores. Reports and tables beside it change with the next ``wsi-haloae export``.

        Parameters
        ----------
        how
            ``auto``, ``none``, ``slide`` or ``anchors``. By default ``auto``, or, with ``smooth`` alone, as before.
        anchors
            A GeoJSON file with polygons or points of the class ``Reference``, on tiles that are reference tissue.
        smooth
            Each tile's score becomes the median of the tiles within so many µm; 0: off. By default as before.

        Returns
        -------
        ScoredSlide
            The slide with its new scores.

        Raises
        ------
        WsiHaloaeError
            If the slide cannot be adapted in this way. The message is the one that the command prints.

        """
        path = None if anchors is None else Path(anchors)
        require_adaptable(how, path)
        asked = how or ("auto" if smooth is None else None)
        adapt_slide(self.store, asked, path, smooth, Reporter(quiet=True))
        return ScoredSlide(self.folder)

    def pixel_map(self) -> xr.DataArray:
        """The anomaly map of the whole slide, finer than tiles.

        With the rules ``descriptor`` and ``content`` it is what each cell adds to the tile's score before any
        adaptation to the slide; with the others, what the auto-encoder does not reconstruct.

        Returns
        -------
        xarray.DataArray
            float32, dimensions (y, x), backed by Dask: values are read when they are computed. The coordinates are
            the centres of the cells in micrometres from the slide's top left corner. Cells without a score are NaN.

        Raises
        ------
        StoreError
            If the slide was scored without maps (``score(..., maps=True)`` or ``--maps``).

        """
        if self.store.header.map_size is None:
            raise StoreError(
                f"{self.folder}: scored without --maps, so it has no anomaly map. Score it again with --maps."
            )
        whole = assemble_map(self.store)
        return self._array(whole.values, "map", (0.0, 0.0), (whole.l0_cell_height, whole.l0_cell_width))

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the heatmap over the slide, with the colours and range of ``heatmap.png``.

        Tiles that are called anomalous are outlined; a line on the colour bar marks the lowest score of them.

        Parameters
        ----------
        axes
            The matplotlib axes to draw on. By default a new figure is made.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, with x and y in millimetres.

        """
        if axes is None:
            axes = pyplot.subplots(figsize=(8, 6), layout="constrained")[1]
        slide, scale = self.store.header.slide, ColourScale(*self.store.shown.model.display_range)
        width, height = slide.width * slide.mpp_x / UM_PER_MM, slide.height * slide.mpp_y / UM_PER_MM
        base = enlarged_or_reduced(self.store.thumbnail(), slide)
        axes.imshow(blended(base, self.tiles, assemble_heatmap(self.store), scale), extent=(0, width, height, 0))
        axes.set(xlabel="mm", ylabel="mm", title=slide.name)
        colours = ScalarMappable(Normalize(scale.low, scale.high), ListedColormap(COLOUR_TABLE / 255))
        bar = axes.figure.colorbar(colours, ax=axes, extend="both", label="Anomaly score")
        if self.tiles.called_from is not None:
            bar.ax.axhline(np.clip(self.tiles.called_from, scale.low, scale.high), color=INK)
        return axes

    def _array(
        self, values: Any, name: str, l0_corner: tuple[float, float], l0_cell: tuple[float, float]
    ) -> xr.DataArray:
        slide = self.store.header.slide
        coordinates: dict[str, tuple[str, NDArray[np.float64], dict[str, str]]] = {}
        for axis, length, corner, cell, mpp in zip(
            "yx", values.shape, l0_corner, l0_cell, (slide.mpp_y, slide.mpp_x), strict=True
        ):
            coordinates[axis] = (axis, (corner + (np.arange(length) + 0.5) * cell) * mpp, {"units": "micrometer"})
        return xr.DataArray(
            values, coordinates, ("y", "x"), name, attrs={"slide": slide.name, "long_name": "anomaly " + name}
        )

    def __repr__(self) -> str:
        tiles = self.tiles
        words = f"{self.store.header.slide.name}: {len(tiles):,} tiles, {tiles.not_scored} not scored"
        if tiles.called is not None:
            words += f", {tiles.called:,} anomalous"
        elif tiles.scored:
            words += f". {tiles.why_none}"
        return f"<ScoredSlide {words}>"


def open_scored(folder: str | Path) -> ScoredSlide:
    """Open the results of a slide that was scored before.

    Parameters
    ----------
    folder
        The slide's folder, ``OUT/<slide>/``.

    Returns
    -------
    ScoredSlide
        Its arrays are read on first use.

    Raises
    ------
    StoreError
        If the folder has no score store, or a damaged one.

    """
    return ScoredSlide(Path(folder))
