"""Pixel sizes that no slide scanner has: defaults of image software, and slips of a decimal point."""

from __future__ import annotations

LEAST, MOST = 0.08, 20.0
"""Micrometres per pixel. A 100x objective has about 0.1; a survey of a whole slide 10."""
USUAL_DPI = (72, 96, 150, 300)
"""What image software writes into a file whose resolution it does not know."""
_INCH = 25_400.0


def doubt_about(mpp_x: float | None, mpp_y: float | None) -> str | None:
    """Why a stated pixel size cannot be that of a slide, as the end of "the file states ..."; None if it can."""
    for mpp in (mpp_x, mpp_y):
        if mpp is None or LEAST <= mpp <= MOST:
            continue
        dpi = next((dpi for dpi in USUAL_DPI if abs(_INCH / mpp / dpi - 1) < 0.005), None)
        if dpi is not None:
            return f"{dpi} dpi, i.e. {mpp:.4g} µm per pixel, which image software writes if it knows no pixel size"
        return f"{mpp:.4g} µm per pixel, but slides are scanned at {LEAST:g} to {MOST:g}"
    return None
