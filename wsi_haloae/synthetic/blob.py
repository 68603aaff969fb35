"""A smooth, irregular outline: what tissue and the regions in it look like from afar."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon


def make_blob(rng: np.random.Generator, centre: tuple[float, float], radius_x: float, radius_y: float) -> Polygon:
    """A smooth outline within the ellipse of the two radii; star-shaped, so it never crosses itself."""
    angle = np.linspace(0, 2 * np.pi, int(np.clip((radius_x + radius_y) / 8, 64, 720)), endpoint=False)
    waves = np.arange(2, 10)
    sizes = rng.normal(0, 0.22, len(waves)) / waves
    phases = rng.uniform(0, 2 * np.pi, len(waves))
    reach = 1 + (sizes[:, None] * np.cos(waves[:, None] * angle + phases[:, None])).sum(axis=0)
    reach = np.maximum(reach, 0.4) / reach.max()
    outline = np.stack([np.cos(angle) * radius_x, np.sin(angle) * radius_y], axis=1) * reach[:, None]
    return Polygon(outline + centre)
