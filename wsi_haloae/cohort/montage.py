"""montage.png: the heatmaps of all slides in one picture with one colour scale, sorted by group."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from wsi_haloae.atomic import read_own, replacing
from wsi_haloae.bounds.pixels import UNREADABLE, open_image
from wsi_haloae.cohort.slides import StudySlide
from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.export import small_picture
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.figures.slide_frame import broken
from wsi_haloae.heatmap.colours import COLOUR_TABLE
from wsi_haloae.workspace.study_files import StudyFile

NAME = StudyFile.MONTAGE
SHEET_PIXELS = 12e6
"""Pixels of all small pictures together: browsers and printers can still handle it."""
LARGEST, SMALLEST = small_picture.LONGEST, 40
MARGIN, NAME_HEIGHT, HEADING_HEIGHT, BAR_HEIGHT, NOTE_HEIGHT = 12, 15, 26, 46, 16
FEWEST_COLUMNS = 3
OUTLINED = "A dark line encloses tiles that are called anomalous; an island inside them is not called."
INK, FAINT, PAPER = (29, 39, 51), (90, 104, 118), (255, 255, 255)


def write_montage(
    path: Path,
    output: Path,
    slides: Sequence[StudySlide],
    display_range: tuple[float, float] | None,
    notes: Sequence[str] = (),
) -> None:
    """Write one picture per slide, sorted by group and then by rising median score.

    ``output`` holds the slides' folders. ``display_range`` holds the scores at the ends of the colour bar of the model
    that scored all slides. ``notes`` are sentences to print under the colour bar.
    """
    ordered = sorted(slides, key=lambda slide: (slide.group, slide.median_score or 0.0, slide.name))
    groups = [(name, list(members)) for name, members in groupby(ordered, key=lambda slide: slide.group)]
    side = int(np.clip((SHEET_PIXELS / max(1, len(slides))) ** 0.5, SMALLEST, LARGEST))
    columns = max(FEWEST_COLUMNS, round((1.6 * len(slides)) ** 0.5))
    named = side >= LARGEST // 2
    cell = side + (NAME_HEIGHT if named else 0) + MARGIN // 2
    heights = [HEADING_HEIGHT * bool(name) + cell * -(-len(members) // columns) for name, members in groups]
    width = 2 * MARGIN + columns * (side + MARGIN // 2)
    lines = [line for note in notes for line in broken(note, width - 2 * MARGIN, _font(11).getlength)]
    top = MARGIN + BAR_HEIGHT + NOTE_HEIGHT * len(lines)
    sheet = Image.new("RGB", (width, top + sum(heights) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_bar(sheet, draw, display_range)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + BAR_HEIGHT - 8 + NOTE_HEIGHT * number), line, INK, _font(11))
    for (name, members), height in zip(groups, heights, strict=True):
        if name:
            draw.text((MARGIN, top + 4), f"{name} ({len(members)})", INK, _font(15))
        start = top + HEADING_HEIGHT * bool(name)
        for number, slide in enumerate(members):
            row, column = divmod(number, columns)
            corner = MARGIN + column * (side + MARGIN // 2), start + row * cell
            _draw_slide(sheet, draw, output / slide.name / FORMATS["small"].file, corner, side)
            if named:
                draw.text((corner[0], corner[1] + side + 1), _cut(slide.name, side), FAINT, _font(11))
        top += height
    with replacing(path) as partial:
        sheet.save(partial, format="PNG", optimize=True)


def _draw_slide(sheet: Image.Image, draw: ImageDraw.ImageDraw, path: Path, corner: tuple[int, int], side: int) -> None:
    """Draw a slide in the middle of its square, or a frame if it has no picture that can be read."""
    try:
        with open_image(BytesIO(read_own(path)), path, WsiHaloaeError) as picture:
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
            sheet.paste(picture, (corner[0] + (side - picture.width) // 2, corner[1] + (side - picture.height) // 2))
    except (WsiHaloaeError, *UNREADABLE):
        draw.rectangle((*corner, corner[0] + side - 1, corner[1] + side - 1), outline=FAINT)


def _draw_bar(sheet: Image.Image, draw: ImageDraw.ImageDraw, display_range: tuple[float, float] | None) -> None:
    bar = Image.fromarray(np.broadcast_to(COLOUR_TABLE[None], (12, 256, 3)).copy())
    sheet.paste(bar, (MARGIN, MARGIN))
    if display_range is not None:
        low, high = (f"{value:.3g}" for value in display_range)
        draw.text((MARGIN, MARGIN + 14), f"{low}: like the reference", FAINT, _font(11))
        draw.text((MARGIN + 256, MARGIN + 14), f"{high}: unlike it", FAINT, _font(11), anchor="ra")


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, so that text looks the same on every machine."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _cut(name: str, side: int) -> str:
    """As much of a name as fits under a picture. The end is kept, because slides often share the beginning."""
    font = _font(11)
    while len(name) > 1 and font.getlength(name) > side:
        name = "\N{HORIZONTAL ELLIPSIS}" + name.lstrip("\N{HORIZONTAL ELLIPSIS}")[1:]
    return name
