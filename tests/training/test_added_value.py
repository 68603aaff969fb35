"""Beside baselines, `descriptor` is judged in metrics that the judged tiles did not teach."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.model.tiny import tiny_checkpoint
from tests.training.tiles import MemorySource
from wsi_haloae.progress import Reporter
from wsi_haloae.training.added_value import held_out_scores
from wsi_haloae.training.descriptors import WEIGHTS, cross_fit, weight_of, with_weight
from wsi_haloae.training.moments import measure_moments

CPU = torch.device("cpu")


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_descriptor_is_scored_in_the_metric_that_others_taught(weight: float) -> None:
    source, checkpoint = MemorySource(16), tiny_checkpoint()
    groups, seed = np.asarray(source.groups), checkpoint.facts.config.training.seed
    learned = cross_fit(measure_moments(checkpoint, source, source.groups, CPU, lambda _n: None), seed)
    done = with_weight(checkpoint, learned, weight)
    assert done.descriptors is not None
    assert weight_of(done.descriptors.reference, learned) == weight
    found = held_out_scores(done, source, source.groups, source, groups, CPU, Reporter(quiet=True))
    moments = learned.moments.values
    np.testing.assert_allclose(found, learned.held_out_distances(moments, groups, weight), rtol=1e-5)
    taught = done.descriptors.reference.metric.unknown.distance(learned.whole.describe(moments))
    assert not np.allclose(found, taught, rtol=0.05)
