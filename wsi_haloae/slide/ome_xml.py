"""The pixel size in the OME-XML of an OME-TIFF (OME data model, 2016-06)."""

from __future__ import annotations

import math
from xml.etree import ElementTree

MARK = b"<OME"
MOST_LETTERS = 1 << 24
UNITS = {
    "pm": 1e-6, "Å": 1e-4, "nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6,
    "in": 25_400.0, "pt": 25_400.0 / 72,
}  # fmt: skip
"""Micrometres in one of each. Other units, such as pixel and reference frame, are no lengths."""


def ome_pixel_size(text: str, width: int, height: int) -> tuple[float | None, float | None]:
    """(mpp_x, mpp_y) of the image of this size in pixels; None where the document states none or cannot be read."""
    try:
        root = ElementTree.fromstring(text[:MOST_LETTERS])  # noqa: S314  # its parser expands no entities without end
    except ElementTree.ParseError:
        return None, None
    for pixels in root.iter():
        size = pixels.get("SizeX"), pixels.get("SizeY")
        if pixels.tag.endswith("Pixels") and size == (str(width), str(height)):
            return _micrometres(pixels, "X"), _micrometres(pixels, "Y")
    return None, None


def _micrometres(pixels: ElementTree.Element, axis: str) -> float | None:
    try:
        value = float(pixels.get(f"PhysicalSize{axis}", ""))
    except ValueError:
        return None
    unit = UNITS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return value * unit if unit is not None and math.isfinite(value) and value > 0 else None
