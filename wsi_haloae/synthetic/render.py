"""Pixels of a synthetic slide, for any window: all tiles are made here.

A pixel of tissue is an amount of stain, turned into a colour on one axis from pale pink to
purple. Both classes share that axis and the slow variation of staining, whose wavelengths are
longer than a tile but much shorter than a region, so that it averages out over each class.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from shapely.geometry import Polygon, box

from wsi_haloae.synthetic.layout import SyntheticLayout
from wsi_haloae.synthetic.texture import band_noise, cut, fibres, nuclei, padded

GLASS, STROMA, TUMOUR, PEN, DUST = range(5)
PALE, DARK = np.array([240, 203, 224]), np.array([84, 42, 124])
GLASS_COLOUR = np.array([241, 240, 242])
PEN_COLOURS = np.array([[35, 60, 175], [30, 140, 80], [190, 30, 40], [35, 33, 36]])
DUST_COLOUR = np.array([96, 88, 78])
BLUR_RADIUS = 3.0
BLUR_REACH = 12
"""Pixels beyond which a Gaussian of `BLUR_RADIUS` adds nothing to an 8-bit value."""
OFFSET_PERIODS, GAIN_PERIOD, GLASS_PERIOD = (1215, 1078), 1280, 1080


class SyntheticRenderer:
    """Draws windows of a layout; a pixel has the same value in every window."""

    def __init__(self, layout: SyntheticLayout, rng: np.random.Generator) -> None:
        self._shapes = _painting_order(layout)
        self._blur = layout.blur
        self._tumour, self._stroma = nuclei(rng), fibres(rng)
        self._offsets = [_slow(rng, period, 64, 9) for period in OFFSET_PERIODS]
        self._gain = _slow(rng, GAIN_PERIOD, 64, 5)
        self._glass = padded(_glass(rng))
        self._pen_colour = PEN_COLOURS[rng.integers(len(PEN_COLOURS))]
        shares = np.linspace(0, 1, 256)[:, None]
        self._colour_of_amount = np.rint(PALE + shares * (DARK - PALE)).astype(np.uint8)  # (256, 3)

    def labels(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """What each pixel shows, (height, width): `GLASS`, `STROMA`, `TUMOUR`, `PEN` or `DUST`."""
        return _raster(self._shapes, x, y, width, height)

    def pixels(self, x: int, y: int, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(height, width, 3) for a window whose ``labels`` are known; at most `PADDING` - 2 `BLUR_REACH` a side."""
        height, width = labels.shape
        if not labels.any():
            return cut(self._glass, x, y, width, height)
        sharp = self._sharp(x, y, labels)
        if self._blur.intersects(box(x, y, x + width, y + height)):
            is_blurred = _raster([(part, 1) for part in self._blur.geoms], x, y, width, height).astype(bool)
            sharp[is_blurred] = self._blurred(x, y, width, height)[is_blurred]
        return sharp

    def _sharp(self, x: int, y: int, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = labels.shape
        pixels = cut(self._glass, x, y, width, height).copy()
        is_tissue = (labels == STROMA) | (labels == TUMOUR)
        if is_tissue.any():
            np.copyto(pixels, self._tissue(x, y, labels), where=is_tissue[..., None])
        for label, colour in ((PEN, self._pen_colour), (DUST, DUST_COLOUR)):
            shown = labels == label
            if shown.any():  # the glass's noise stays visible through ink and dust
                noisy = pixels[shown].astype(np.int16) - GLASS_COLOUR + colour
                pixels[shown] = noisy.clip(0, 255).astype(np.uint8)
        return pixels

    def _tissue(self, x: int, y: int, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = labels.shape
        window = (x, y, width, height)
        amount = self._stroma.window(*window)
        is_tumour = labels == TUMOUR
        if is_tumour.any():
            np.copyto(amount, self._tumour.window(*window), where=is_tumour)
        mean = round(self._tumour.mean)
        stained = (amount.astype(np.int16) - mean) * cut(self._gain, *window) >> 6
        offset = cut(self._offsets[0], *window) + cut(self._offsets[1], *window)  # 128 is none
        stained += offset.astype(np.int16) + (mean - 128)
        return np.asarray(self._colour_of_amount.take(stained.clip(0, 255), axis=0))

    def _blurred(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        reach = BLUR_REACH
        wide = (x - reach, y - reach, width + 2 * reach, height + 2 * reach)
        sharp = Image.fromarray(self._sharp(wide[0], wide[1], self.labels(*wide)))
        blurred = np.asarray(sharp.filter(ImageFilter.GaussianBlur(BLUR_RADIUS)))
        return blurred[reach:-reach, reach:-reach]


def _painting_order(layout: SyntheticLayout) -> list[tuple[Polygon, int]]:
    """Outlines to paint one over the other, larger ones first.

    Pillow cannot cut holes, which is not needed: a hole in tumour is filled by stroma, one in
    stroma by tumour, and what fills it is painted later.
    """
    classes = ((layout.stroma, STROMA), (layout.tumour, TUMOUR), (layout.pen, PEN), (layout.dust, DUST))
    outlines = [(Polygon(part.exterior), label) for shapes, label in classes for part in shapes.geoms]
    return sorted(outlines, key=lambda item: -item[0].area)


def _raster(shapes: list[tuple[Polygon, int]], x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
    """Labels whose pixel centres lie in the polygons, later ones over earlier ones, (height, width)."""
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    for polygon, label in shapes:
        left, top, right, bottom = polygon.bounds
        if left < x + width and right > x and top < y + height and bottom > y:
            corners = shapely.get_coordinates(polygon) - (x + 0.5, y + 0.5)  # Pillow's pixels are centred on integers
            draw.polygon(corners.ravel().tolist(), fill=label)
    return np.array(canvas)


def _slow(rng: np.random.Generator, period: int, mean: int, deviation: float) -> NDArray[np.uint8]:
    """A padded periodic field that varies over 160 to 480 pixels, in 0 to 127 so that two can be added."""
    field = mean + deviation * band_noise(rng, period, 160, 480)
    return padded(np.rint(field).clip(0, 127).astype(np.uint8))


def _glass(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Periodic glass, (period, period, 3): the camera's noise and the shading of its fields of view."""
    noise = rng.normal(0, 0.8, (GLASS_PERIOD, GLASS_PERIOD, 3))
    from_centre = np.abs(np.arange(GLASS_PERIOD) / GLASS_PERIOD - 0.5) * 2
    shading = -2.5 * (from_centre[:, None] ** 4 + from_centre**4)
    picture = GLASS_COLOUR + noise + shading[..., None]
    return np.asarray(np.rint(picture).clip(0, 255), np.uint8)
