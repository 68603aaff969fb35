"""Overlap of called tiles with outlines."""

from __future__ import annotations

import numpy as np
import pytest
from shapely import Polygon, box
from shapely.geometry import GeometryCollection, MultiPolygon
from shapely.geometry.base import BaseGeometry

from wsi_haloae.evaluation.region_overlap import region_overlap

PLACES = np.array([[0, 0], [10, 0], [20, 0]])
SIZES = np.full((3, 2), 10)
SCORED = np.ones(3, np.bool_)


def test_dice_is_that_of_the_areas_within_what_was_outlined() -> None:
    overlap = region_overlap(
        np.array([False, True, True]), SCORED, PLACES, SIZES, box(15, 0, 25, 10), box(0, 0, 15, 10), 2
    )
    assert (overlap.both, overlap.called, overlap.outlined) == (200, 300, 200)
    assert overlap.dice == 0.8


@pytest.mark.parametrize("empty", [Polygon(), MultiPolygon(), GeometryCollection()])
@pytest.mark.parametrize("called", [False, True])
def test_what_is_empty_overlaps_nothing(empty: BaseGeometry, called: bool) -> None:
    chosen = np.full(3, called)
    for anomalous, reference in ((empty, box(0, 0, 9, 9)), (empty, empty), (box(0, 0, 9, 9), empty)):
        overlap = region_overlap(chosen, SCORED, PLACES, SIZES, anomalous, reference, 1)
        assert overlap.both == (81 if called and anomalous is not empty else 0)
    assert region_overlap(chosen, ~SCORED, PLACES, SIZES, empty, empty, 1).dice is None


def test_tiles_that_only_touch_an_outline_overlap_nothing() -> None:
    """They share a point and a line with it, for which GEOS fails, and `evaluate` did."""
    touching = Polygon([(10, 0), (10, 10), (5, 15), (0, 30), (30, 30), (30, 12), (20, 10), (15, 10)])
    scored = np.array([True, False, True])
    overlap = region_overlap(SCORED, scored, PLACES, SIZES, GeometryCollection(), touching, 1)
    assert (overlap.both, overlap.outlined) == (0, 0)
