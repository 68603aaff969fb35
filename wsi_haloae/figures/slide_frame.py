"""The common frame of slide pictures: title, the slide, a scale bar, room for a legend.

    +--------------------------------------+
    | title                                |
    | caption                              |
    | +-------------------------+          |
    | | slide                   |  side    |
    | +-------------------------+          |
    | |-- 2 mm --|       legend            |
    +--------------------------------------+

A slide that is low (a strip) has nothing at its side: a colour bar lies below it.

Drawn with matplotlib's objects on Agg, without pyplot and its global state, in a font that comes
with matplotlib: pictures are the same on every run, and any thread may draw them. The slide's
top left pixel is always at (`MARGIN`, `HEADER`), and its pixels are not resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from numpy.typing import NDArray
from PIL import Image

from wsi_haloae.atomic import replacing
from wsi_haloae.figures.saving import COMPRESSION
from wsi_haloae.figures.scale_bar import length_words, scale_bar_length
from wsi_haloae.stores.store_header import SlideRecord

DPI = 144
MARGIN = 48
HEADER = 124
FOOTER = 96
LONGEST_WIDTH, LONGEST_HEIGHT = 1400, 1100
LEGEND_LEFT, LEGEND_LINE = 300, 30
SMALLEST_WIDTH, SMALLEST_HEIGHT = 760, 460
"""Pixels. A narrow slide is drawn as it is, but the frame keeps room for the text; a lower slide has no side."""
LONGEST_BAR = 640
BELOW = 44
"""Pixels that the footer of a low slide has more, for the ticks and the label of the colour bar."""

INK, FAINT_INK = "#22252b", "#6b7280"

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def font(points: float, *, bold: bool = False) -> FontProperties:
    """The pictures' font at a size; always the file that comes with matplotlib, not a system font."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FontProperties(fname=str(_FONTS / name), size=points)


def enlarged_or_reduced(thumbnail: NDArray[np.uint8], slide: SlideRecord) -> NDArray[np.uint8]:
    """The thumbnail (h, w, 3) at the size at which pictures show this slide."""
    factor = min(LONGEST_WIDTH / slide.width, LONGEST_HEIGHT / slide.height)
    size = (max(1, round(slide.width * factor)), max(1, round(slide.height * factor)))
    return np.asarray(Image.fromarray(thumbnail).resize(size, Image.Resampling.LANCZOS))


class SlideFigure:
    """A figure with the slide in it; ``axes`` counts in level-0 pixels, y downwards.

    ``pixels`` (h, w, 3) uint8 are the whole slide, shown one to one; ``side`` is the free space in
    pixels at the right, for a colour bar (see `bar_axes`). ``caption`` has room for three lines;
    long lines are broken. ``legend`` are labels with their colours, in the footer on as many lines as
    needed.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        slide: SlideRecord,
        *,
        caption: str,
        side: int = 0,
        legend: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._image_height, self._image_width = len(pixels), len(pixels[0])
        self._body_width = max(self._image_width, SMALLEST_WIDTH)
        self.bar_below = side > 0 and self._image_height < SMALLEST_HEIGHT
        self._width = MARGIN + self._body_width + (0 if self.bar_below else side) + MARGIN
        placed = list(_in_lines(legend, self._width - MARGIN))
        footer = FOOTER + (BELOW if self.bar_below else 0)
        self._height = HEADER + self._image_height + footer + (placed[-1][1] * LEGEND_LINE if placed else 0)
        self.figure = Figure(figsize=(self._width / DPI, self._height / DPI), dpi=DPI, facecolor="white")
        self.axes = self._axes(MARGIN, HEADER, self._image_width, self._image_height)
        self.axes.imshow(pixels, extent=(0, slide.width, slide.height, 0), interpolation="nearest", aspect="auto")
        self.axes.set(xlim=(0, slide.width), ylim=(slide.height, 0), xticks=[], yticks=[])
        for spine in self.axes.spines.values():
            spine.set(color="#c9ced6", linewidth=0.6)
        room = (self._width - 2 * MARGIN) // 21  # characters of the title, most narrower than 21 pixels
        caption_room, measure = self._width - 2 * MARGIN, _pixels_of(font(9.5))
        lines = [part for line in caption.splitlines() for part in broken(line, caption_room, measure)]
        top = 98 - 14 * (len(lines) - 1)
        self.text(MARGIN, top - 38, _shortened(slide.name, room), font(14, bold=True))
        for number, line in enumerate(lines):
            self.text(MARGIN, top + 22 * number, line, font(9.5), colour=FAINT_INK)
        self._scale_bar(slide)
        for x, row, words, colour in placed:
            self.text(x, self.legend_y + row * LEGEND_LINE, words, font(9), colour=colour)

    @property
    def legend_y(self) -> int:
        """Height of the footer's first line of text, in pixels from the top."""
        return HEADER + self._image_height + 58

    def text(
        self, x: float, y: float, words: str, properties: FontProperties, *, colour: str = INK, align: str = "left"
    ) -> None:
        """Write text on the figure, with its baseline at a pixel counted from the top left.

        Nothing in it is read as a formula, and characters that the font lacks become question marks.
        """
        known = get_font(str(properties.get_file())).get_charmap()
        self.figure.text(
            x / self._width,
            1 - y / self._height,
            "".join(letter if ord(letter) in known else "?" for letter in words),
            fontproperties=properties,
            color=colour,
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,
        )

    def bar_axes(self, away: int, thickness: int) -> Axes:
        """Axes for a colour bar ``away`` pixels from the slide: as high as the slide at its right, or below it.

        They are at most `LONGEST_BAR` long.
        """
        if not self.bar_below:
            return self._axes(
                MARGIN + self._image_width + away, HEADER, thickness, min(self._image_height, LONGEST_BAR)
            )
        left = max(LEGEND_LEFT, MARGIN + self._image_width // 4 + away)  # beside the longest scale bar
        length = min(self._width - MARGIN - left, LONGEST_BAR)
        return self._axes(left, HEADER + self._image_height + 22, length, thickness)

    def note(self, words: str) -> None:
        """Write a remark in the middle of the slide, for pictures that would otherwise show nothing."""
        box = {"boxstyle": "round,pad=0.6", "facecolor": "white", "edgecolor": "#c9ced6", "alpha": 0.92}
        self.axes.text(
            0.5, 0.5, words, transform=self.axes.transAxes, fontproperties=font(12), color=INK, bbox=box,
            horizontalalignment="center", verticalalignment="center",
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the figure as PNG without a date and without versions."""
        canvas: Any = FigureCanvasAgg(self.figure)  # Any: its methods carry no types
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        with replacing(path) as partial:
            Image.fromarray(np.ascontiguousarray(pixels)).save(partial, format="PNG", compress_type=COMPRESSION)

    def _axes(self, left: int, top: int, width: int, height: int) -> Axes:
        bottom = self._height - top - height
        return self.figure.add_axes(
            (left / self._width, bottom / self._height, width / self._width, height / self._height)
        )

    def _scale_bar(self, slide: SlideRecord) -> None:
        length_um = scale_bar_length(slide.width * slide.mpp_x)
        length = length_um / slide.mpp_x / slide.width * self._image_width
        y = HEADER + self._image_height + 22
        bar = self._axes(MARGIN, y, max(1, round(length)), 5)
        bar.set(facecolor=INK, xticks=[], yticks=[])
        bar.spines[:].set_visible(False)
        self.text(MARGIN, self.legend_y, length_words(length_um), font(9))


def _in_lines(legend: Sequence[tuple[str, str]], right: int) -> Iterator[tuple[int, int, str, str]]:
    """Each entry with where it begins: pixels from the left, and the line, from 0."""
    x, line = LEGEND_LEFT, 0
    for words, colour in legend:
        width = 11 * len(words)  # most letters are narrower
        if x > LEGEND_LEFT and x + width > right:
            x, line = LEGEND_LEFT, line + 1
        yield x, line, words, colour
        x += width + 24


def broken(words: str, room: float, width_of: Callable[[str], float]) -> list[str]:
    """A line as lines that are at most ``room`` wide, broken between words; a single long word may be wider."""
    first, *others = words.split(" ")
    lines = [first]
    for word in others:
        longer = f"{lines[-1]} {word}"
        if width_of(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _pixels_of(properties: FontProperties) -> Callable[[str], float]:
    """A function that measures the width of text in a font."""
    known = get_font(str(properties.get_file()))
    known.set_size(properties.get_size_in_points(), DPI)

    def width(words: str) -> float:
        known.set_text(words)
        return float(known.get_width_height()[0]) / 64

    return width


def _shortened(name: str, limit: int) -> str:
    """A long name without its middle: slides of a cohort usually differ at the ends of their names."""
    if len(name) <= limit:
        return name
    head = (limit - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (limit - 1 - head) :]}"
