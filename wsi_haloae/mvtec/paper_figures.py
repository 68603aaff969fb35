"""What the paper published (Mathian et al., VISAPP 2023), in per cent: context for our results, never a target."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Image and pixel AUROC in per cent; None if the paper does not report it."""

    image_auroc: float | None
    pixel_auroc: float | None


TABLE_1 = {
    "carpet": Published(69.7, 89.4),
    "grid": Published(95.1, 83.1),
    "leather": Published(97.8, 98.5),
    "tile": Published(95.7, 78.5),
    "wood": Published(100.0, 91.1),
    "bottle": Published(100.0, 91.9),
    "cable": Published(84.6, 87.6),
    "capsule": Published(88.4, 97.8),
    "hazelnut": Published(99.8, 97.8),
    "metal_nut": Published(88.4, 85.2),
    "pill": Published(90.1, 91.5),
    "screw": Published(89.6, 99.0),
    "toothbrush": Published(97.2, 92.9),
    "transistor": Published(84.4, 87.5),
    "zipper": Published(99.7, 96.0),
}
"""HaloAE by category."""

TABLE_3 = {
    "EWS": Published(92.0, 91.2),
    "equal weights": Published(79.0, 86.3),
    "uncertainty weighting": Published(88.2, 85.9),
    "L_cls + L_fm": Published(71.43, 79.1),
    "L_cls + L_im": Published(72.5, 82.2),
    "L_fm + L_im": Published(76.8, 87.8),
    "L_cls": Published(82.9, 70.6),
    "L_fm": Published(79.6, 90.3),
}
"""Means over the 15 categories, by what was trained."""

TABLE_4 = {
    "AE-L2": Published(82.0, 82.5),
    "AE-SSIM": Published(87.0, 86.9),
    "block C only": Published(77.3, 75.0),
    "block C as CNN": Published(85.0, 90.4),
    "block C as Swin": Published(84.9, 86.5),
}
"""Means over the 15 categories, by what replaces block C."""

TABLE_S2 = {
    "classifier, P(damaged)": Published(84.4, None),
    "A_im, normalised and filtered, mean": Published(76.9, 74.1),
    "A_fm, mean": Published(89.0, 90.0),
    "A_fm, normalised, mean": Published(91.4, 90.4),
    "A_fm, normalised and filtered, mean": Published(91.4, 91.2),
}
"""Means over the 15 categories, by how images are scored; the paper's classifier row is L_cls, a loss."""

OFFICIAL_DEFECTS = {
    "bottle": 63,
    "cable": 92,
    "capsule": 109,
    "carpet": 89,
    "grid": 57,
    "hazelnut": 70,
    "leather": 92,
    "metal_nut": 93,
    "pill": 141,
    "screw": 119,
    "tile": 84,
    "toothbrush": 30,
    "transistor": 40,
    "wood": 60,
    "zipper": 119,
}
"""Anomalous test images in MVTec AD's own split (Bergmann et al. 2019), to detect incomplete copies."""
