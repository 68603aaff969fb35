"""A slide, opened: its facts, its picture, its tiles."""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from pathlib import Path

from PIL import Image

from wsi_haloae.api.tiles import Tiles
from wsi_haloae.config import TissueConfig
from wsi_haloae.slide.properties import SlideProperties
from wsi_haloae.slide.thumbnail import read_thumbnail
from wsi_haloae.tiles.tiling import Tiling, TilingSettings
from wsi_haloae.tissue.detection import find_tissue
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.workspace.slide_inputs import SlideInput


class WholeSlide:
    """A slide file. It is opened whenever something is read, and never left open."""

    def __init__(self, source: SlideInput) -> None:
        self.source = source
        with closing(source.open()) as slide:
            self.properties: SlideProperties = slide.properties

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.source.path

    def thumbnail(self, mpp: float = 8.0) -> Image.Image:
        """The whole slide at ``mpp`` micrometres per pixel, at most 4,096 pixels a side."""
        with closing(self.source.open()) as slide:
            return Image.fromarray(read_thumbnail(slide, mpp).rgb)

    @cached_property
    def tissue(self) -> TissueMask:
        """What of the slide is tissue, by the default settings."""
        with closing(self.source.open()) as slide:
            return find_tissue(slide, TissueConfig())

    def tile(self, mpp: float | None = None, tile_size: int = 256, stride: int | None = None) -> Tiles:
        """The tiles with tissue on them, ``mpp`` micrometres per pixel (None: level 0 as it is).

        ``tile_size`` and ``stride`` are pixels of the tile; a smaller stride makes tiles overlap. No pixel is
        read before it is asked for. Raises `ResolutionError` for a slide that is coarser than ``mpp``.
        """
        tiling = Tiling.of(self.properties, TilingSettings(mpp, tile_size, stride), TissueConfig())
        return Tiles(self.source, tiling, tiling.choose(self.tissue), self.tissue)

    def __repr__(self) -> str:
        p = self.properties
        mpp = "unknown" if p.mpp_x is None else f"{p.mpp_x:.4g} µm"
        return f"<WholeSlide {p.name}: {p.width:,} x {p.height:,} pixels of {mpp}, {len(p.level_dimensions)} levels>"


def open_slide(path: str | Path, *, mpp: float | None = None, override_mpp: bool = False) -> WholeSlide:
    """The slide in ``path``; ``mpp`` fills in a pixel size that the file lacks, in micrometres.

    Raises `SlideError` for a file that cannot be opened, and `UsageError` for an ``mpp`` that contradicts the
    file's by more than 2 %, unless ``override_mpp``.
    """
    file = Path(path)
    return WholeSlide(SlideInput(file, file.stem, mpp, override_mpp))
