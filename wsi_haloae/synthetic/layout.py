"""Where things lie on a synthetic slide: pieces of tissue, tumour in them, pen, blur, dust.

Tumour takes the same share of the tissue's edge as of its area. Otherwise the tiles that show
some glass would belong mostly to one class, and brightness alone would tell the classes apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from wsi_haloae.synthetic.blob import make_blob

TUMOUR_SHARE = 0.47
CANDIDATES = 24
"""Random placements of the tumour, of which the best balanced one is used."""
GRID = 0.01
"""Coordinates are multiples of this: what QuPath keeps, so that a polygon stays valid there."""


@dataclass(frozen=True)
class SyntheticLayout:
    """Shapes in level-0 pixels. ``tumour`` and ``stroma`` share edges only, and make up the tissue."""

    tumour: MultiPolygon
    stroma: MultiPolygon
    blur: MultiPolygon
    pen: MultiPolygon
    dust: MultiPolygon


def make_layout(rng: np.random.Generator, width: int, height: int, mpp: float) -> SyntheticLayout:
    """A random layout for a slide of ``width`` x ``height`` pixels, each at least 512."""
    pieces = _pieces(rng, width, height)
    tissue = _multi(shapely.unary_union(pieces))
    radius = float(np.sqrt(tissue.area / len(pieces) / np.pi))
    tumour, stroma = _tumour_and_stroma(rng, tissue, radius)
    pen = _pen(rng, width, height, mpp)
    return SyntheticLayout(
        tumour,
        stroma,
        _multi(_snapped(_blur(rng, tumour, tissue).intersection(tissue))),
        pen,
        _dust(rng, width, height, mpp, shapely.unary_union([tissue, pen])),
    )


def _pieces(rng: np.random.Generator, width: int, height: int) -> list[Polygon]:
    """One blob in each cell of a coarse grid, with a band at the bottom left free for the pen."""
    count = int(rng.integers(1, 5 if min(width, height) >= 2048 else 3))
    columns, rows = (2, 2) if count > 2 else (count, 1)
    if count == 2 and height > width:
        columns, rows = 1, 2
    cell_width, cell_height = width * 0.94 / columns, height * 0.84 / rows
    cells = rng.permutation(columns * rows)[:count]
    pieces = []
    for cell in np.sort(cells):
        row, column = divmod(int(cell), columns)
        centre = (width * 0.03 + (column + 0.5) * cell_width, height * 0.03 + (row + 0.5) * cell_height)
        size = rng.uniform(0.86, 0.96)
        pieces.append(make_blob(rng, centre, size * cell_width / 2, size * cell_height / 2))
    return pieces


def _tumour_and_stroma(
    rng: np.random.Generator, tissue: MultiPolygon, radius: float
) -> tuple[MultiPolygon, MultiPolygon]:
    candidates = [_without_slivers(_blobs_on_lattice(rng, tissue, radius), tissue, radius) for _ in range(CANDIDATES)]
    return _split(tissue, min(candidates, key=lambda candidate: _imbalance(candidate, tissue)))


def _blobs_on_lattice(rng: np.random.Generator, tissue: MultiPolygon, radius: float) -> shapely.Geometry:
    pitch = radius * rng.uniform(0.55, 0.8)
    left, top, right, bottom = tissue.bounds
    blobs = []
    for x in np.arange(left, right + pitch, pitch):
        for y in np.arange(top, bottom + pitch, pitch):
            jitter = rng.uniform(-0.35, 0.35, 2) * pitch
            size = rng.uniform(0.35, 0.6) * pitch
            if rng.random() < 0.85:
                blobs.append(make_blob(rng, (x + jitter[0], y + jitter[1]), size, size * rng.uniform(0.8, 1.25)))
    return shapely.unary_union(blobs)


def _without_slivers(blobs: shapely.Geometry, tissue: MultiPolygon, radius: float) -> MultiPolygon:
    """The blobs with corners rounded, cut to the tissue; parts too small for a texture go to the other class."""
    rounding, smallest = 0.05 * radius, (0.15 * radius) ** 2
    rounded = shapely.buffer(blobs, rounding).buffer(-2 * rounding).buffer(rounding).simplify(0.3).intersection(tissue)
    stroma = _large_parts(tissue.difference(rounded), smallest)
    return _large_parts(tissue.difference(stroma), smallest)


def _split(tissue: MultiPolygon, tumour: MultiPolygon) -> tuple[MultiPolygon, MultiPolygon]:
    """Tumour and the rest, on the coordinate grid. Both are made of the same faces, so they share edges exactly."""
    edges = shapely.union(tissue.boundary, tumour.boundary, grid_size=GRID)  # crossed lines are cut there
    faces = shapely.get_parts(shapely.polygonize([edges]))
    inside = shapely.point_on_surface(faces)
    is_tumour = shapely.contains(tumour, inside)
    is_stroma = shapely.contains(tissue, inside) & ~is_tumour
    return _multi(shapely.unary_union(faces[is_tumour])), _multi(shapely.unary_union(faces[is_stroma]))


def _imbalance(tumour: MultiPolygon, tissue: MultiPolygon) -> float:
    share = tumour.area / tissue.area
    edge = tissue.boundary
    edge_share = edge.intersection(tumour.buffer(1)).length / edge.length
    return float(abs(share - TUMOUR_SHARE) + 2 * abs(edge_share - share))


def _blur(rng: np.random.Generator, tumour: MultiPolygon, tissue: MultiPolygon) -> Polygon:
    """A blob of 3 % of the tissue, on a border between tumour and stroma so that both lose focus."""
    radius = float(np.sqrt(0.03 * tissue.area / np.pi))
    inner = tissue.buffer(-radius)
    border = tumour.boundary.intersection(inner)
    centre = _point_on(rng, border if border.length > 0 else tumour.boundary)
    return make_blob(rng, (centre.x, centre.y), radius * 1.15, radius * 1.15)


def _point_on(rng: np.random.Generator, lines: shapely.Geometry) -> Point:
    parts = [part for part in shapely.get_parts(lines) if part.length > 0]
    lengths = np.array([part.length for part in parts])
    part = parts[int(rng.choice(len(parts), p=lengths / lengths.sum()))]
    point: Point = part.interpolate(rng.uniform(0, part.length))
    return point


def _pen(rng: np.random.Generator, width: int, height: int, mpp: float) -> MultiPolygon:
    """A wavy marker stroke along the bottom, half a millimetre wide if there is room for it."""
    thickness = min(500 / mpp, 0.04 * height)
    start, end = rng.uniform(0.08, 0.3), rng.uniform(0.6, 0.92)
    x = np.linspace(start, end, 200)
    y = 0.935 + 0.012 * np.sin(x * rng.uniform(8, 20) + rng.uniform(0, 2 * np.pi))
    stroke = LineString(np.stack([x * width, y * height], axis=1)).buffer(thickness / 2)
    return _multi(_snapped(stroke.intersection(box(0, 0, width, height))))


def _dust(rng: np.random.Generator, width: int, height: int, mpp: float, taken: shapely.Geometry) -> MultiPolygon:
    """Specks of 4 to 24 micrometres on glass."""
    spots = rng.uniform(0, 1, (24, 2)) * (width, height)
    radii = rng.uniform(2, 12, len(spots)) / mpp
    specks = [make_blob(rng, (x, y), radius, radius) for (x, y), radius in zip(spots, radii, strict=True)]
    return MultiPolygon([speck for speck in specks if not speck.buffer(20).intersects(taken)])


def _snapped(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.set_precision(shape, GRID)


def _large_parts(shape: shapely.Geometry, smallest: float) -> MultiPolygon:
    return MultiPolygon([part for part in _multi(shape).geoms if part.area >= smallest])


def _multi(shape: shapely.Geometry) -> MultiPolygon:
    return MultiPolygon([part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"])
