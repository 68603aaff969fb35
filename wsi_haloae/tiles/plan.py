"""ReadPlan: from which level a tile of the target pixel size is read, and how it is resized.

Worked example. A slide with mpp 0.25 and levels of downsample 1, 4, 16; target mpp 0.5; tiles
of 256 pixels. Level 1 (mpp 1.0) is too coarse, so level 0 is read: 512 x 512 pixels of
level 0 become 256 x 256. For a target of 1.01 level 1 is within 2 %: it is read natively, and
the true mpp, 1.0, is recorded. For a target of 0.2 every level is too coarse: an error,
because the missing detail would have to be invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.errors import ResolutionError
from wsi_haloae.slide.properties import MPP_TOLERANCE, Slide, SlideProperties


@dataclass(frozen=True)
class ReadPlan:
    """How tiles of one slide are read.

    ``scale_x`` and ``scale_y`` are pixels of ``level`` per pixel of the tile (1.0 when the
    level is read natively); ``l0_scale_x`` and ``l0_scale_y`` are pixels of level 0 per
    pixel of the tile; ``mpp_x`` and ``mpp_y`` are the tile's true pixel size in micrometres.
    """

    level: int
    scale_x: float
    scale_y: float
    l0_scale_x: float
    l0_scale_y: float
    mpp_x: float
    mpp_y: float

    @classmethod
    def for_slide(cls, properties: SlideProperties, mpp_target: float | None, *, of_model: bool = False) -> ReadPlan:
        """The plan for ``mpp_target`` micrometres per pixel; None means level 0 as it is.

        ``of_model``: the target is that of a trained model, which cannot be changed.
        Raises `MissingMppError` without a pixel size, `ResolutionError` if level 0 is
        coarser than the target by more than 2 %.
        """
        mpp_x, mpp_y = properties.known_mpp()
        if mpp_target is None:
            return cls(0, 1.0, 1.0, 1.0, 1.0, mpp_x, mpp_y)
        if max(mpp_x, mpp_y) > mpp_target * (1 + MPP_TOLERANCE):
            raise _too_coarse(properties.name, max(mpp_x, mpp_y), mpp_target, of_model=of_model)
        for level, downsample in reversed(list(enumerate(properties.level_downsamples))):
            level_mpp_x, level_mpp_y = mpp_x * downsample, mpp_y * downsample
            ratio_x, ratio_y = mpp_target / level_mpp_x, mpp_target / level_mpp_y
            if max(abs(1 / ratio_x - 1), abs(1 / ratio_y - 1)) <= MPP_TOLERANCE:
                return cls(level, 1.0, 1.0, downsample, downsample, level_mpp_x, level_mpp_y)
            if min(ratio_x, ratio_y) >= 1 or level == 0:
                return cls(
                    level,
                    ratio_x,
                    ratio_y,
                    mpp_target / mpp_x,
                    mpp_target / mpp_y,
                    mpp_target,
                    mpp_target,
                )
        raise AssertionError("level 0 always qualifies")

    @classmethod
    def of_record(cls, record: Mapping[str, int | float]) -> ReadPlan:
        """The plan that a store was made with, from ``read_plan`` in its header."""
        return cls(int(record["level"]), **{name: float(record[name]) for name in record if name != "level"})

    def read(self, slide: Slide, l0_x: int, l0_y: int, size: int) -> NDArray[np.uint8]:
        """One tile as (size, size, 3) RGB. Raises `RegionReadError` if it cannot be decoded."""
        level_width, level_height = size * self.scale_x, size * self.scale_y
        region = slide.read_region(l0_x, l0_y, self.level, int(np.ceil(level_width)), int(np.ceil(level_height)))
        if region.shape == (size, size, 3) and self.scale_x == self.scale_y == 1.0:
            return region
        # Pillow widens the bicubic kernel when it shrinks: that is the antialiasing. The box
        # keeps fractions of a pixel, so that tiles do not creep along the slide.
        image = Image.fromarray(region).resize(
            (size, size), Image.Resampling.BICUBIC, box=(0, 0, level_width, level_height)
        )
        return np.asarray(image)


def _too_coarse(name: str, mpp: float, target: float, *, of_model: bool) -> ResolutionError:
    asked = "on which the model was trained" if of_model else "of --mpp-target"
    way = f"use a model trained at {mpp:.4g}" if of_model else f"pass --mpp-target {mpp:.4g} or more"
    return ResolutionError(
        f"{name}: level 0 has {mpp:.4g} micrometres per pixel, coarser than the {target:.4g} {asked}. Tiles are never "
        f"scaled up: {way}, or take a scan of higher resolution."
    )
