"""StoreHeader: what a store was made from, kept in its attributes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from wsi_haloae.config import ProfileUse


class SlideRecord(BaseModel):
    """The facts about a slide that outputs need; lengths in pixels of level 0, mpp in µm."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    vendor: str
    width: int
    height: int
    mpp_x: float
    mpp_y: float
    objective_power: float | None
    bounds: tuple[int, int, int, int] | None  # x, y, width, height
    background: tuple[int, int, int]
    fingerprint: str


class GridRecord(BaseModel):
    """The fields of a TileGrid: sizes in pixels of level 0 or of the tile, scales in level-0 pixels per tile pixel."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slide_width: PositiveInt
    slide_height: PositiveInt
    tile_size: PositiveInt
    stride: PositiveInt
    l0_scale_x: float = Field(gt=0)
    l0_scale_y: float = Field(gt=0)


class StoreHeader(BaseModel):
    """The attributes of a store."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    slide: SlideRecord
    grid: GridRecord
    read_plan: dict[str, int | float]
    tissue: dict[str, Any]
    coordinates_sha256: str | None = None  # of the tiles that --coordinates listed
    colour_profile: ProfileUse = "ignore"  # whether pixels were converted to sRGB by the slide's profile

    def identity(self) -> dict[str, Any]:
        """The part of the header that must be equal for a rerun to continue a store."""
        return self._without({})

    def _without(self, left_out: dict[str, Any]) -> dict[str, Any]:
        """The header as JSON; colours as stored are left out, because older stores do not mention them."""
        kept = self.model_dump(mode="json", exclude=left_out)
        return {key: value for key, value in kept.items() if (key, value) != ("colour_profile", "ignore")}
