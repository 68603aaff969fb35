"""Draw the layers of the package, docs/images/layers.svg, from the import contract in pyproject.toml.

    python docs/site/layers.py

Each row is a layer, each box one of its packages with the first line of its docstring. Run it after the contract or
such a line has changed; a test compares the picture with them.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PICTURE = REPOSITORY / "docs/images/layers.svg"

WIDTH, MARGIN, GAP, PADDING = 1000, 20, 10, 10  # pixels
LINE, LETTER = 17, 7.0  # height of a line and mean width of a letter of the small text, pixels
ARROW = 34  # room for the arrow on the left, pixels
STYLE = "text{font-family:sans-serif;fill:#1f2933}.name{font-size:15px;font-weight:bold}.words{font-size:12.5px}"


def layers() -> list[list[str]]:
    """Packages by layer, from the command line down to the errors."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [rows] = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in row.split("|")] for row in rows]


def words(package: str) -> str:
    """The first line of a package's or module's docstring, without its full stop."""
    path = REPOSITORY / package.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).rstrip(".:").replace("`", "")


def draw() -> str:
    """The picture as SVG."""
    parts, y = [], MARGIN
    for row in layers():
        height, boxes = _row(row, y)
        parts += boxes
        y += height + GAP
    height = y - GAP + MARGIN
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            "<title>The layers of wsi-haloae: each imports only what lies below it</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<path d="M{MARGIN + 8} {MARGIN}V{height - MARGIN - 8}" stroke="#52606d" stroke-width="2"/>',
            f'<path d="M{MARGIN + 2} {height - MARGIN - 10}h12l-6 10z" fill="#52606d"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _row(packages: list[str], y: int) -> tuple[int, list[str]]:
    """Height of a layer, and its boxes."""
    left = MARGIN + ARROW
    width = (WIDTH - MARGIN - left - GAP * (len(packages) - 1)) / len(packages)
    texts = [textwrap.wrap(words(package), int((width - 2 * PADDING) / LETTER)) for package in packages]
    height = 2 * PADDING + LINE * (1 + max(map(len, texts)))
    boxes = []
    for number, (package, lines) in enumerate(zip(packages, texts, strict=True)):
        boxes += _box(package, lines, left + number * (width + GAP), y, width, height)
    return height, boxes


def _box(package: str, lines: list[str], x: float, y: int, width: float, height: int) -> Iterator[str]:
    yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="5" fill="#e8f1fa" stroke="#9fb3c8"/>'
    name = package.partition(".")[2]
    for number, (kind, line) in enumerate((("name", name), *(("words", line) for line in lines))):
        baseline = y + PADDING + 12 + number * LINE
        yield f'<text class="{kind}" x="{x + PADDING:.1f}" y="{baseline}">{escape(line)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
