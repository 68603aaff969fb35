"""Find the tissue on a slide, even when it is pale, and separate it from glass, pen and dust.

A pixel's *stain* is the absorbance of its most absorbed channel plus twice the difference to its
least absorbed one, measured against the slide's own glass. Colour thus counts more than darkness,
and pale pink tissue stands out from grey smears and shading of the same brightness.

Otsu's threshold on the stain alone loses pale tissue beside dark tissue, and finds "tissue"
on a blank slide. The threshold is therefore kept between a floor (above the noise of glass) and a
ceiling (below pale eosin). Fainter pixels that touch tissue are added (hysteresis).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import filters, morphology

from wsi_haloae.config import TissueConfig
from wsi_haloae.pages import percent
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.thumbnail import Thumbnail, read_thumbnail
from wsi_haloae.tissue.channels import by_channel, greatest, least
from wsi_haloae.tissue.discs import closed, dilated
from wsi_haloae.tissue.glass import glass_colour
from wsi_haloae.tissue.ground import DARK_BACKGROUND, Ground
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.tissue.parts import Part
from wsi_haloae.tissue.pen import find_pen
from wsi_haloae.tissue.smoothing import gaussian

METHOD = "absorbance-hysteresis-3"
"""Change this name whenever the same slide and parameters could produce a different mask."""
FEW = 0.001
"""Share of the slide. Where less was left out, the rest is empty glass with a little dust."""
MOST_PADDING = 0.98


def find_tissue(slide: Slide, config: TissueConfig) -> TissueMask:
    """The tissue mask of a slide, found on a thumbnail of ``config.mpp`` micrometres per pixel.

    The mask is empty for a slide without tissue. Regions that cannot be decoded count as glass
    and are listed in the mask's ``warnings``. Raises `MissingMppError` for a slide without a
    pixel size.
    """
    thumbnail = read_thumbnail(slide, config.mpp)
    pixel, rgb = _pixel_size(slide, thumbnail), by_channel(thumbnail.rgb)
    ground = Ground.of(rgb)
    parameters: dict[str, Any] = {"method": METHOD, **config.model_dump()}
    if ground.is_dark or ground.padding.all():
        parts = np.where(ground.padding, Part.PADDING, Part.DARK).astype(np.uint8)
    else:
        parts = _parts(rgb, ground.padding, pixel, config, parameters)
    return TissueMask(
        parts,
        thumbnail.rgb,
        thumbnail.l0_per_pixel_x,
        thumbnail.l0_per_pixel_y,
        parameters,
        thumbnail.warnings,
        why_empty=DARK_BACKGROUND if ground.is_dark else _why_empty(parts, config),
    )


def _parts(
    rgb: NDArray[np.uint8], padding: NDArray[np.bool_], pixel: float, config: TissueConfig, parameters: dict[str, Any]
) -> NDArray[np.uint8]:
    """What each pixel is, values of `Part`; ``pixel`` is in micrometres. Adds what was measured to ``parameters``."""
    seen = ~padding
    glass = glass_colour(rgb, seen)
    sharp = _absorbance(rgb, glass)
    absorbance = _smoothed(sharp, seen, config.smoothing / pixel)
    stain = _stain(absorbance)
    threshold = _threshold(stain[seen], config)
    found = _grown(stain, seen, config.faintest, threshold)
    pen = np.zeros_like(found)
    if config.pen == "drop":
        ink = find_pen(absorbance, sharp, found, config.pen_width / 2 / pixel)
        pen = dilated(ink, config.pen_margin / pixel) & seen
    parameters |= {"glass": glass.tolist(), "threshold": threshold}
    return _tidy(found & ~pen, pen, padding, pixel, config)


def _why_empty(parts: NDArray[np.uint8], config: TissueConfig) -> str | None:
    """Why there is no tissue, unless there is some, or nothing but glass."""
    shares = np.bincount(parts.ravel(), minlength=len(Part)) / parts.size
    if shares[Part.TISSUE]:
        return None
    reasons = {
        Part.PEN: "was taken for marker pen: look at it with 'wsi-haloae info SLIDE --preview FILE.png'; --pen keep "
        "keeps it",
        Part.PIECES: f"was found in pieces smaller than {config.smallest_object:g} µm²: --set tissue.smallest_object=0 "
        "keeps them",
        Part.PADDING: "is black padding, which no scanner has seen",
    }
    least = {Part.PADDING: MOST_PADDING}
    told = [
        f"{percent(shares[part])} of the slide {words}"
        for part, words in reasons.items()
        if shares[part] > least.get(part, FEW)
    ]
    return f"{'; '.join(told)}." if told else None


def _pixel_size(slide: Slide, thumbnail: Thumbnail) -> float:
    """Micrometres per pixel of the thumbnail (the geometric mean of x and y)."""
    mpp_x, mpp_y = slide.properties.known_mpp()
    return float(np.sqrt(mpp_x * thumbnail.l0_per_pixel_x * mpp_y * thumbnail.l0_per_pixel_y))


def _absorbance(rgb: NDArray[np.uint8], glass: NDArray[np.float64]) -> NDArray[np.float32]:
    """Optical density against the glass, (h, w, 3); brighter than glass is 0."""
    of_value = np.log10(glass[:, None] / np.maximum(np.arange(256), 1)).clip(0).astype(np.float32)  # (3, 256)
    planes = np.empty((3, *rgb.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):
        plane[:] = of_value[channel][rgb[..., channel]]
    return np.moveaxis(planes, 0, 2)


def _smoothed(absorbance: NDArray[np.float32], seen: NDArray[np.bool_], deviation: float) -> NDArray[np.float32]:
    """Smoothed over the pixels that were ``seen``: black padding must not darken its neighbours."""
    planes = np.moveaxis(absorbance, 2, 0)  # (3, h, w), as in memory
    if seen.all():
        return np.moveaxis(gaussian(planes, deviation), 0, 2)
    weight = gaussian(seen[None].astype(np.float32), deviation)  # (1, h, w)
    smooth = gaussian(np.multiply(planes, seen, dtype=np.float32), deviation)
    smooth /= np.maximum(weight, np.float32(1e-6))
    return np.moveaxis(smooth, 0, 2)


def _stain(absorbance: NDArray[np.float32]) -> NDArray[np.float32]:
    strongest = greatest(absorbance)
    stain: NDArray[np.float32] = strongest + 2 * (strongest - least(absorbance))
    return stain


def _threshold(stain: NDArray[np.float32], config: TissueConfig) -> float:
    # Above three times the ceiling everything is tissue: more contrast there must not pull Otsu's threshold up.
    otsu = filters.threshold_otsu(np.minimum(stain, 3 * config.ceiling))  # type: ignore[no-untyped-call]
    return float(np.clip(otsu, config.floor, config.ceiling))


def _grown(stain: NDArray[np.float32], seen: NDArray[np.bool_], faintest: float, threshold: float) -> NDArray[np.bool_]:
    """Pixels that were seen above the threshold, and fainter ones connected to them."""
    numbers, count = ndimage.label(seen & (stain > faintest))
    holds_some = np.zeros(count + 1, np.bool_)
    holds_some[numbers[seen & (stain > threshold)]] = True
    return np.asarray(holds_some[numbers])


def _tidy(
    found: NDArray[np.bool_], pen: NDArray[np.bool_], padding: NDArray[np.bool_], pixel: float, config: TissueConfig
) -> NDArray[np.uint8]:
    """Gaps closed, specks dropped, small holes filled: values of `Part`. ``pixel`` is in micrometres."""
    free = ~(pen | padding)
    whole = closed(found, config.closing / pixel) & free
    kept = morphology.remove_small_objects(whole, max_size=int(config.smallest_object / pixel**2))
    filled = morphology.remove_small_holes(kept, max_size=int(config.largest_hole / pixel**2))
    parts = np.full(found.shape, Part.GLASS, np.uint8)
    parts[whole] = Part.PIECES
    parts[padding], parts[pen] = Part.PADDING, Part.PEN
    parts[filled & free] = Part.TISSUE
    return parts
