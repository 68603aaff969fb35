"""p-values on real clusters of near-copies: LC25000, each source tile augmented several times."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data_paths import real_data
from wsi_haloae.calibration.conformal import ConformalCalibration
from wsi_haloae.evaluation.tile_statistics import STATISTICS, tile_statistics
from wsi_haloae.images.decode import decode_rgb
from wsi_haloae.images.files import list_images
from wsi_haloae.tiles.sources import group_by_regex

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("statistic", ["mean red", "deviation green", "skewness"])
def test_over_200_re_splits_of_clusters_five_per_cent_lie_below_five_per_cent(statistic: str) -> None:
    folders = [real_data(f"tiles/lc25000_lung/{part}/tumour") for part in ("val", "test")]
    place, scores, groups = STATISTICS.index(statistic), [], []
    for folder in folders:
        files = list_images(folder)
        scores += [tile_statistics(decode_rgb(file))[place] for file in files]
        groups += group_by_regex(files, folder, "c[0-9]+")
    values, names = np.array(scores, np.float32), np.array(groups)
    clusters, random, shares = np.unique(names), np.random.default_rng(0), []
    assert len(clusters) == 80
    for _ in range(200):
        held = np.isin(names, random.choice(clusters, 40, replace=False))
        calibration = ConformalCalibration.fit(values[held], names[held])
        assert calibration.facts.correlation > 0.3, "copies are alike"
        below = calibration.p_values(values[~held]) <= 0.05
        sizes = {name: (names[~held] == name).sum() for name in clusters}
        shares.append(float(np.mean([below[names[~held] == name].mean() for name in clusters if sizes[name]])))
    assert 0.04 <= np.mean(shares) <= 0.06
