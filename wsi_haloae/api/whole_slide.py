"""A slide: its properties, thumbnail, tissue and tiles."""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from pathlib import Path

from PIL import Image

from wsi_haloae.api.tiles import Tiles
from wsi_haloae.config import ProfileUse, TissueConfig
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.slide.thumbnail import read_thumbnail
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.tissue.detection import find_tissue
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.workspace.slide_inputs import SlideInput


class WholeSlide:
    """A slide file. It is opened for each read and closed again; `open_slide` makes one.

    Parameters
    ----------
    source
        The slide's path, name and pixel size.

    Raises
    ------
    SlideError
        If the file cannot be opened.
    UsageError
        If the given pixel size contradicts the file's.

    """

    def __init__(self, source: SlideInput) -> None:
        self.source = source
        with closing(source.open()) as slide:
            self.properties: SlideProperties = slide.properties

    @property
    def path(self) -> Path:
        """Path of the slide file."""
        return self.source.path

    def thumbnail(self, mpp: float = 8.0) -> Image.Image:
        """A small picture of the whole slide.

        Parameters
        ----------
        mpp
            Micrometres per pixel. The picture is coarser if a side would exceed 4,096 pixels.

        Returns
        -------
        PIL.Image.Image
            The picture in RGB.

        Raises
        ------
        SlideError
            If the slide cannot be read.

        """
        with closing(self.source.open()) as slide:
            return Image.fromarray(read_thumbnail(slide, mpp).rgb)

    @cached_property
    def tissue(self) -> TissueMask:
        """The tissue mask of the slide, found with the default settings."""
        with closing(self.source.open()) as slide:
            return find_tissue(slide, TissueConfig())

    def tile(self, mpp: float | None = None, tile_size: int = 256, stride: int | None = None) -> Tiles:
        """Lay a grid over the slide and keep the tiles that contain tissue.

        Parameters
        ----------
        mpp
            Micrometres per pixel of the tiles. By default that of level 0.
        tile_size
            Side of a tile in pixels at ``mpp``.
        stride
            Distance between neighbouring tiles in pixels at ``mpp``. By default ``tile_size``; a smaller stride
            makes tiles overlap.

        Returns
        -------
        Tiles
            The tiles in reading order. Their pixels are read on access.

        Raises
        ------
        MissingMppError
            If the pixel size of the slide is unknown.
        ResolutionError
            If the slide is coarser than ``mpp``.
        UsageError
            If the stride does not fit the tile size.

        """
        tiling = Tiling.of(self.properties, TilingSettings(mpp, tile_size, stride), TissueConfig())
        return Tiles(self.source, tiling, tiling.choose(self.tissue), self.tissue)

    def __repr__(self) -> str:
        p = self.properties
        mpp = "unknown" if p.mpp_x is None else f"{p.mpp_x:.4g} µm"
        return f"<WholeSlide {p.name}: {p.width:,} x {p.height:,} pixels of {mpp}, {len(p.level_dimensions)} levels>"


def open_slide(
    path: str | Path, *, mpp: float | None = None, override_mpp: bool = False, colour_profile: ProfileUse = "ignore"
) -> WholeSlide:
    """Open a slide file and read its properties.

    Parameters
    ----------
    path
        The slide file.
    mpp
        Micrometres per pixel of level 0, for a file that does not state it.
    override_mpp
        Use ``mpp`` even if the file states another pixel size.
    colour_profile
        ``apply``: convert the pixels to sRGB by the slide's colour (ICC) profile. ``ignore``: take them as stored.
        `score` reads the slide as its model was trained, whatever is said here.

    Returns
    -------
    WholeSlide
        The slide. The file is closed again.

    Raises
    ------
    SlideError
        If the file cannot be opened, or its profile cannot be applied.
    UsageError
        If ``mpp`` differs from the file's pixel size by more than 2 % and ``override_mpp`` is not set.

    """
    file = Path(path)
    return WholeSlide(SlideInput(file, file.stem, mpp, override_mpp, colour_profile=colour_profile))
