"""Find the tissue on a slide, even when it is pale, and separate it from glass, pen and dust.

A pixel's *stain* is the absorbance of its most absorbed channel plus twice the difference to its
least absorbed one, measured against the slide's own glass. Colour thus counts more than darkness,
and pale pink tissue stands out from grey smears and shading of the same brightness.

Otsu's threshold on the stain alone loses pale tissue beside dark tissue, and finds "tissue"
on a blank slide. The threshold is therefore kept between a floor (above the noise of glass) and a
ceiling (below pale eosin). Fainter pixels that touch tissue are added (hysteresis).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage import filters, morphology

from wsi_haloae.config import TissueConfig
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.thumbnail import Thumbnail, read_thumbnail
from wsi_haloae.tissue.discs import closed, dilated
from wsi_haloae.tissue.glass import glass_colour
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.tissue.pen import find_pen

METHOD = "absorbance-hysteresis-1"
"""Change this name whenever the same slide and parameters could produce a different mask."""


def find_tissue(slide: Slide, config: TissueConfig) -> TissueMask:
    """The tissue mask of a slide, found on a thumbnail of ``config.mpp`` micrometres per pixel.

    The mask is empty for a slide without tissue. Regions that cannot be decoded count as glass
    and are listed in the mask's ``warnings``. Raises `MissingMppError` for a slide without a
    pixel size.
    """
    thumbnail = read_thumbnail(slide, config.mpp)
    pixel = _pixel_size(slide, thumbnail)
    glass = glass_colour(thumbnail.rgb)
    absorbance = _smoothed(_absorbance(thumbnail.rgb, glass), config.smoothing / pixel)
    stain = _stain(absorbance)
    threshold = _threshold(stain, config)
    found: NDArray[np.bool_] = filters.apply_hysteresis_threshold(stain, config.faintest, threshold)  # type: ignore[no-untyped-call]
    pen = dilated(find_pen(absorbance, found, config.pen_width / 2 / pixel), config.pen_margin / pixel)
    parameters: dict[str, float | str | list[float]] = {
        "method": METHOD,
        "glass": glass.tolist(),
        "threshold": threshold,
        **config.model_dump(),
    }
    return TissueMask(
        _tidy(found & ~pen, pen, pixel, config),
        pen,
        thumbnail.rgb,
        thumbnail.l0_per_pixel_x,
        thumbnail.l0_per_pixel_y,
        parameters,
        thumbnail.warnings,
    )


def _pixel_size(slide: Slide, thumbnail: Thumbnail) -> float:
    """Micrometres per pixel of the thumbnail (the geometric mean of x and y)."""
    mpp_x, mpp_y = slide.properties.known_mpp()
    return float(np.sqrt(mpp_x * thumbnail.l0_per_pixel_x * mpp_y * thumbnail.l0_per_pixel_y))


def _absorbance(rgb: NDArray[np.uint8], glass: NDArray[np.float64]) -> NDArray[np.float32]:
    """Optical density against the glass, (h, w, 3); brighter than glass is 0."""
    of_value = np.log10(glass[:, None] / np.maximum(np.arange(256), 1)).clip(0).astype(np.float32)  # (3, 256)
    return np.stack([of_value[channel][rgb[..., channel]] for channel in range(3)], axis=-1)


def _smoothed(absorbance: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    smooth = filters.gaussian(absorbance, deviation, channel_axis=-1)  # type: ignore[no-untyped-call]
    return np.asarray(smooth, np.float32)


def _stain(absorbance: NDArray[np.float32]) -> NDArray[np.float32]:
    strongest = absorbance.max(axis=2)
    stain: NDArray[np.float32] = strongest + 2 * (strongest - absorbance.min(axis=2))
    return stain


def _threshold(stain: NDArray[np.float32], config: TissueConfig) -> float:
    # Above three times the ceiling everything is tissue: more contrast there must not pull Otsu's threshold up.
    otsu = filters.threshold_otsu(np.minimum(stain, 3 * config.ceiling))  # type: ignore[no-untyped-call]
    return float(np.clip(otsu, config.floor, config.ceiling))


def _tidy(found: NDArray[np.bool_], pen: NDArray[np.bool_], pixel: float, config: TissueConfig) -> NDArray[np.bool_]:
    """Gaps closed, specks dropped, small holes filled; ``pixel`` is in micrometres."""
    whole = closed(found, config.closing / pixel) & ~pen
    kept = morphology.remove_small_objects(whole, max_size=int(config.smallest_object / pixel**2))
    filled = morphology.remove_small_holes(kept, max_size=int(config.largest_hole / pixel**2))
    mask: NDArray[np.bool_] = filled & ~pen
    return mask
