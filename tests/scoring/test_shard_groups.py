"""Shards that are computed together: the same ones whatever is pending, and each gets its own part back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.test_ahead import scores_of, shard
from wsi_haloae.scoring.shard_groups import Prepared, groups_of

BATCHES = st.sampled_from([1, 4, 48, 64, 128, 256])


@given(shards=st.integers(1, 30), batch_size=BATCHES, data=st.data())
def test_a_shard_has_the_same_group_whatever_else_is_pending(shards: int, batch_size: int, data: st.DataObject) -> None:
    every = groups_of(range(shards), shards, batch_size)
    assert [number for group in every for number in group] == list(range(shards))
    assert {len(group) for group in every[:-1]} <= {max(1, batch_size // 64)}
    pending = data.draw(st.sets(st.integers(0, shards - 1)))
    assert groups_of(pending, shards, batch_size) == [group for group in every if pending & set(group)]


def test_shards_put_together_get_their_own_scores_back() -> None:
    together = Prepared.joined([shard(3), shard(4), shard(5)])
    parts = list(together.each(scores_of(together.pixels)))
    assert [read.shard for read, _ in parts] == [3, 4, 5]
    assert np.concatenate([scores.score for _, scores in parts]).tolist() == [3, 4, 5]
