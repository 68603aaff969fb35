"""HED jitter: training tiles as if another laboratory had stained them.

Tellez et al. 2018 (Whole-slide mitosis detection in H&E breast histology, IEEE TMI 37) and 2019 (Quantifying the
effects of data augmentation and stain color normalization, Medical Image Analysis 58), who call 0.05 light and 0.2
strong. Here a shift is measured in optical density: at 0.05, tiles change by 7 grey levels on average; at 0.2, by 25,
and glass turns green or orange.
"""

from __future__ import annotations

import numpy as np

from wsi_haloae.stain.density import Image8, change_stains


def jitter_stain(image: Image8, strength: float, random: np.random.Generator) -> Image8:
    """Change each stain's amount c to c x (1 + a) + b, with a and b within +- ``strength``: (h, w, 3) -> (h, w, 3).

    Amounts are optical densities (`change_stains`). A strength of 0 returns the image unchanged.
    """
    change, shift = random.uniform(-strength, strength, size=(2, 3))
    return change_stains(image, 1 + change, shift)
