"""The core of a slide: those of its tiles that are most like the reference, found without knowing the slide's level.

The nearest tiles around the reference's mean give a first centre, the nearest tiles around that centre a better one,
and so on (the concentration steps of the minimum covariance determinant; Rousseeuw and Van Driessen 1999). Unlike a
median, the centre is right as long as a small share of the slide is reference tissue.

On a slide without any, the core consists of anomalous tiles. Its *spread* shows that: tiles of another tissue differ
from each other in other ways than reference tiles do, so in the reference's metric they lie further apart. That fails
for tissue that is more uniform than the reference, such as liver if a tumour is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.adaptation.metric import Level, Metric

SHARE, LEAST = 0.05, 8
"""Share of a slide's tiles that its core has, and how many it has at least.

A core tells the level of its slide as well as `LEAST` tiles do, whatever its size: its tiles were chosen for lying
close together. So a large slide is adapted as the small ones that calibrate are.
"""
FEWEST = 50
"""A slide or group with fewer tiles has no core: too few to say how they spread."""
MOST = 8192
"""A slide with more tiles gives a regular sample of this many."""
_STEPS = 50


@dataclass(frozen=True, eq=False)
class Core:
    """Numbers of the core's tiles, ascending, and how far they spread.

    ``spread`` is the mean of their distances from their own centre, times n / (n - 1): small cores lie nearer to a
    centre that is their own.
    """

    numbers: NDArray[np.int64]
    spread: float


def find_core(descriptors: NDArray[np.floating], metric: Metric) -> Core:
    """The core of a slide's descriptors (n, k), n at least `FEWEST`."""
    sample = np.arange(len(descriptors))[:: -(-len(descriptors) // MOST)]
    values = descriptors[sample].astype(np.float64)
    size = max(LEAST, round(SHARE * len(sample)))
    own, level = Level.of(metric.mean, metric.within), metric.unknown
    core = np.empty(0, np.int64)
    for _ in range(_STEPS):
        nearest = np.sort(np.argsort(level.distance(values), kind="stable")[:size])
        if np.array_equal(nearest, core):
            break
        core = nearest
        level = Level(values[core].mean(axis=0), own.precision)
    return Core(sample[core], float(level.distance(values[core]).mean()) * size / (size - 1))
