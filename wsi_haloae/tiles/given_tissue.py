"""What counts as tissue on a slide: what is found on it, all of it, or what a file says (``--tissue``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.finding import find_annotations
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.config import TissueConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.slide.properties import Slide
from wsi_haloae.slide.thumbnail import Thumbnail, read_thumbnail
from wsi_haloae.tissue.detection import METHOD, find_tissue
from wsi_haloae.tissue.mask import TissueMask
from wsi_haloae.tissue.mask_file import SUFFIXES, read_mask_file
from wsi_haloae.tissue.parts import Part

GivenTissue = Path | Literal["auto", "all"]


def tissue_for(given: GivenTissue, slide: Path) -> GivenTissue:
    """What is given for this slide: of a folder, the mask or the outlines named like the slide."""
    if not isinstance(given, Path) or not given.is_dir():
        return given
    images = [given / f"{slide.stem}{suffix}" for suffix in SUFFIXES]
    return next((image for image in images if image.is_file()), None) or find_annotations(given, slide)


def record_of(given: GivenTissue, config: TissueConfig) -> dict[str, Any]:
    """What decides the mask, for the header of a store: the method, the settings, and the digest of a file."""
    what = f"sha256:{file_sha256(given)}" if isinstance(given, Path) else given
    return {"method": METHOD, "given": what, **config.model_dump(mode="json")}


def tissue_on(slide: Slide, config: TissueConfig, given: GivenTissue = "auto") -> TissueMask:
    """The tissue mask of a slide. Marker pen and padding are left out only of what is found (auto).

    Raises `UsageError` or `AnnotationError` for a file that cannot be used.
    """
    if given == "auto":
        return find_tissue(slide, config)
    thumbnail = read_thumbnail(slide, config.mpp)
    shape = thumbnail.rgb.shape[:2]
    is_tissue = _from_file(given, slide, thumbnail) if isinstance(given, Path) else np.ones(shape, np.bool_)
    return TissueMask(
        np.where(is_tissue, Part.TISSUE, Part.OUTSIDE).astype(np.uint8),
        thumbnail.rgb,
        thumbnail.l0_per_pixel_x,
        thumbnail.l0_per_pixel_y,
        {"given": str(given), "mpp": config.mpp, "min_fraction": config.min_fraction},
        thumbnail.warnings,
    )


def _from_file(path: Path, slide: Slide, thumbnail: Thumbnail) -> NDArray[np.bool_]:
    """The mask or the outlines in a file, as a mask (h, w) of the thumbnail's pixels."""
    properties, (height, width) = slide.properties, thumbnail.rgb.shape[:2]
    if path.suffix.lower() in SUFFIXES:
        mask = read_mask_file(path, properties.width, properties.height)
        picture = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BOX)
        return np.asarray(picture) >= 128  # at least half of the pixel
    region = read_annotations(path, properties.bounds).everything()
    scale = np.array([thumbnail.l0_per_pixel_x, thumbnail.l0_per_pixel_y])
    mask = _drawn(shapely.transform(region, lambda xy: xy / scale - 0.5), width, height)
    if not mask.any():
        raise UsageError(
            f"{path}: none of its outlines lies on {properties.name}. Check that they were drawn on this slide, in "
            "pixels of level 0."
        )
    return mask


def _drawn(region: BaseGeometry, width: int, height: int) -> NDArray[np.bool_]:
    """The pixels (h, w) inside a region. Rings of a valid region alternate between outside and inside."""
    mask = np.zeros((height, width), np.bool_)
    rings = shapely.get_rings(shapely.get_parts(region))
    for ring in rings:
        low, high = np.reshape(ring.bounds, (2, 2))
        (left, top), (right, bottom) = (np.clip(corner, 0, (width, height)).astype(int) for corner in (low, high + 2))
        if right > left and bottom > top:
            patch = Image.new("1", (int(right - left), int(bottom - top)))
            ImageDraw.Draw(patch).polygon([tuple(point) for point in shapely.get_coordinates(ring) - (left, top)], 1)
            mask[top:bottom, left:right] ^= np.asarray(patch)
    return mask
