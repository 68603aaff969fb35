"""Intervals of pixel AUROC, pixel average precision and AUPRO by bootstrap over images.

Sorting all pixels in each of a thousand draws would take hours. Instead the scores are put once into some four thousand
bins, with three histograms per image: of its pixels outside defects, of its defect pixels, and of its shares of
regions. A draw is then a sum of histograms, each multiplied by how often its image was drawn, and thresholds are the
borders of bins.

How exact this is: the borders are quantiles of the defect pixels and of the pixels outside, and a frequent score has
its own bin, so a bin of unequal scores holds at most 1 / 2047 of either class. Over all images this keeps AUROC within
0.00025 of its exact value and AUPRO within 0.0009; average precision was within 0.0003 on all data tried. With fewer
than 2048 pixels of each class, nothing changes at all. Report `auroc`, `average_precision` and `aupro` as results, and
take only the intervals from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.aupro import LIMIT, overlap_area, region_weights
from wsi_haloae.evaluation.interval import DRAWS, Interval, draw_images
from wsi_haloae.evaluation.metrics import require_labelled_scores

QUANTILES = 2048
"""How many borders of bins are taken from the scores of each class."""

# Draws that are processed together: their sums of histograms fit into the processor's cache.
_TOGETHER = 32


@dataclass(frozen=True)
class PixelIntervals:
    """95 % intervals of the three pixel measures of one set of maps."""

    auroc: Interval
    average_precision: Interval
    aupro: Interval


@dataclass(frozen=True)
class Difference:
    """One measure of two sets of maps on the same draws.

    ``interval`` is the interval of ours - theirs; ``ours_higher`` is the share of draws, 0..1, in which ours is higher.
    A draw in which both are equal counts for neither.
    """

    interval: Interval
    ours_higher: float


@dataclass(frozen=True)
class PixelComparison:
    """Differences of the three pixel measures between two sets of maps."""

    auroc: Difference
    average_precision: Difference
    aupro: Difference


class PixelBootstrap:
    """Draws of images, made once, on which every set of maps of these images is measured.

    ``masks`` (n, h, w) are True on defects, ``anomalous`` (n,) says which images have a defect. Anomalous and reference
    images are drawn separately; without reference images only anomalous ones are drawn. The same ``seed`` gives the
    same ``draws`` and the same results. Raises `UsageError` if masks and labels do not fit together, or if a draw has
    no defect pixel or no pixel outside defects.
    """

    def __init__(
        self, masks: NDArray[np.bool_], anomalous: NDArray[np.bool_], *, seed: int = 0, draws: int = DRAWS
    ) -> None:
        if anomalous.shape != masks.shape[:1]:
            raise UsageError(f"One label is needed for each mask; masks are {masks.shape}, labels {anomalous.shape}.")
        if masks[~anomalous].any():
            raise UsageError("A reference image has a defect in its mask; are masks and labels in the same order?")
        self._masks = masks
        self._weights = region_weights(masks)
        self._counts = draw_images(anomalous, seed=seed, draws=draws).astype(np.float64)
        for pixels, kind in ((masks, "defect pixel"), (~masks, "pixel outside defects")):
            lacking = int((self._counts @ pixels.sum(axis=(1, 2)) == 0).sum())
            if lacking:
                raise UsageError(f"{lacking} of {draws} draws of images have no {kind}; add more images.")

    def intervals(self, maps: NDArray[np.floating]) -> PixelIntervals:
        """Intervals for ``maps`` (n, h, w), in the order of the masks.

        Raises `UsageError` if the shape differs from that of the masks or a score is not a number.
        """
        return PixelIntervals(*map(Interval.from_draws, self._measure(maps)))

    def compare(self, ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> PixelComparison:
        """Differences ours - theirs, both (n, h, w) in the order of the masks, draw by draw.

        Raises `UsageError` if a shape differs from that of the masks or a score is not a number.
        """
        differences = self._measure(ours) - self._measure(theirs)
        return PixelComparison(
            *(Difference(Interval.from_draws(values), float((values > 0).mean())) for values in differences)
        )

    def _measure(self, maps: NDArray[np.floating]) -> NDArray[np.float64]:
        """AUROC, average precision and AUPRO of each draw: (3, draws)."""
        require_labelled_scores(maps, self._masks, measure="A pixel interval", of="pixel")
        histograms = self._histograms(maps)
        starts = range(0, len(self._counts), _TOGETHER)
        return np.hstack([_measures(self._counts[start : start + _TOGETHER] @ histograms) for start in starts])

    def _histograms(self, maps: NDArray[np.floating]) -> NDArray[np.float64]:
        """(3, n, bins), highest scores first: pixels outside defects, defect pixels, shares of regions."""
        borders = _borders(maps[self._masks], maps[~self._masks])
        bins = len(borders) + 1
        histograms = np.empty((3, len(maps), bins))
        for image, (scores, mask, weights) in enumerate(zip(maps, self._masks, self._weights, strict=True)):
            # Bin 0 holds the scores at and above the highest border.
            places = len(borders) - np.searchsorted(borders, scores, side="right")
            histograms[0, image] = np.bincount(places[~mask], minlength=bins)
            histograms[1, image] = np.bincount(places[mask], minlength=bins)
            histograms[2, image] = np.bincount(places[mask], weights[mask], minlength=bins)
        return histograms


def _borders(*classes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lower borders of the bins, ascending: quantiles of each class, each of them (k,) scores."""
    quantiles = [np.sort(scores)[np.linspace(0, len(scores) - 1, QUANTILES).astype(int)] for scores in classes]
    scores, times = np.unique(np.concatenate(quantiles), return_counts=True)
    # A score that spans several quantiles is frequent. The next number above it starts the next bin, because other
    # scores in its bin would bend the curve visibly.
    return np.union1d(scores, np.nextafter(scores[times > 1], np.inf, dtype=scores.dtype))


def _measures(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """AUROC, average precision and AUPRO, (3, draws), of summed histograms (3, draws, bins)."""
    outside, defect, _ = histograms
    outside_above, defect_above, overlap = np.cumsum(histograms, axis=-1)
    outside_all, defect_all = outside_above[:, -1], defect_above[:, -1]
    in_order = (outside * (defect_above - 0.5 * defect)).sum(axis=-1)
    # Counts of pixels are whole numbers: the maximum only matters for bins above every pixel of the draw.
    precision = defect_above / np.maximum(defect_above + outside_above, 1)
    return np.stack(
        [
            in_order / (outside_all * defect_all),
            (defect * precision).sum(axis=-1) / defect_all,
            overlap_area(outside_above / outside_all[:, None], overlap / overlap[:, -1:], LIMIT),
        ]
    )
