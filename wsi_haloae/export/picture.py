"""heatmap.png, the heatmap over the slide, and preview.png, the slide's tissue and tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from wsi_haloae.calibration.selection import Selection
from wsi_haloae.export.blend import blended
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.figures.slide_frame import FAINT_INK, INK, SlideFigure, enlarged_or_reduced, font
from wsi_haloae.heatmap.assembly import grid_of
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.pages import percent
from wsi_haloae.progress import with_noun
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.tiles.preview import write_preview


def write_heatmap_picture(path: Path, source: OpenStore) -> None:
    """Draw the heatmap over the thumbnail of the whole slide, with its scale beside it."""
    slide, tiles = source.header.slide, source.tiles
    base = enlarged_or_reduced(source.thumbnail, slide)
    coloured = blended(base, tiles, source.heatmap, source.scale)
    picture = SlideFigure(coloured, slide, caption=_caption(tiles), side=190)
    _draw_colour_bar(picture, source.scale, tiles.called_from)
    if not len(tiles):
        picture.note("no tissue found")
    picture.save(path)


def write_tissue_picture(path: Path, source: OpenStore) -> None:
    """Draw the tissue that was found and the tiles, as they were before scoring."""
    header, parts = source.header, source.store.tissue_parts()
    write_preview(path, source.thumbnail, parts, slide=header.slide, grid=grid_of(header), index=source.tiles.index)


def _caption(tiles: ScoredTiles) -> str:
    grid = tiles.header.grid
    mpp = tiles.header.slide.mpp_x * grid.l0_scale_x
    words = f"{with_noun(len(tiles), 'tile')} of {grid.tile_size} px at {mpp:.3g} µm/px"
    if tiles.not_scored:
        words += f"  ·  {tiles.not_scored:,} not scored (hatched)"
    if not tiles.scored:
        return words
    if tiles.selection is None:
        return f"{words}\n{tiles.why_none}"
    return f"{words}  ·  {_called(tiles.selection, tiles.scored)}"


def _called(selection: Selection, scored: int) -> str:
    at = "with" if selection.criterion == "score above" else "called anomalous at"
    outlined = " (outlined)" if selection.chosen.any() else ""
    return f"{percent(selection.chosen.sum() / scored)}{outlined} {at} a {selection.phrase}"


def _draw_colour_bar(picture: SlideFigure, scale: ColourScale, called_from: float | None) -> None:
    axes = picture.bar_axes(away=44, thickness=24)
    colours = ScalarMappable(Normalize(scale.low, scale.high), ListedColormap(COLOUR_TABLE / 255))
    # The pointed ends mean that scores beyond the range have the colour of that end.
    lies: Literal["horizontal", "vertical"] = "horizontal" if picture.bar_below else "vertical"
    bar = picture.figure.colorbar(colours, cax=axes, extend="both", extendfrac=0.03, orientation=lies)
    bar.set_label(
        "Anomaly score (low = like the reference)", fontproperties=font(9), color=INK,
        labelpad=4 if picture.bar_below else 10, parse_math=False,
    )  # fmt: skip
    axis = bar.ax.xaxis if picture.bar_below else bar.ax.yaxis
    axis.set_major_formatter("{x:g}")
    bar.ax.tick_params(color=FAINT_INK, length=4, width=0.6)
    for label in axis.get_ticklabels():
        label.set(fontproperties=font(8.5), color=INK)
    bar.outline.set(linewidth=0.4, edgecolor=FAINT_INK)
    if called_from is not None:
        _mark_called(bar.ax, scale, called_from, below=picture.bar_below)


def _mark_called(axes: Axes, scale: ColourScale, called_from: float, *, below: bool) -> None:
    """A line across the colour bar at the lowest called score, or at the end that it lies beyond, with its label.

    Below the slide the label is above the bar, else at its left; it runs towards the farther end, where there is room.
    """
    place = min(max(called_from, scale.low), scale.high)
    early = 2 * place < scale.low + scale.high
    (axes.axvline if below else axes.axhline)(place, color=INK, linewidth=1.8)
    text = axes.text(
        *((place, 1.12) if below else (-0.25, place)),
        f"called from {called_from:.3g}",
        transform=axes.get_xaxis_transform() if below else axes.get_yaxis_transform(),
        fontproperties=font(8.5), color=INK, parse_math=False,
    )  # fmt: skip
    if below:
        text.set(horizontalalignment="left" if early else "right", verticalalignment="bottom")
    else:
        text.set(rotation=90, horizontalalignment="right", verticalalignment="bottom" if early else "top")
