"""Save a matplotlib figure as a PNG with the same bytes on every run."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wsi_haloae.atomic import replacing

COMPRESSION = zlib.Z_RLE
"""Of PNG files. A search for repeats would take four times as long; it saves 3 % on tissue, up to a third on plots."""


def save_figure(figure: Figure, path: Path) -> None:
    """Draw on Agg, without pyplot and its global state, and write ``path`` whole or not at all."""
    canvas: Any = FigureCanvasAgg(figure)  # Any: its methods carry no types
    with replacing(path) as partial:
        nothing = {"Software": None}  # no version, no date
        canvas.print_png(partial, metadata=nothing, pil_kwargs={"compress_type": COMPRESSION})
